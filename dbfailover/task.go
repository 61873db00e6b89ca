package dbfailover

import (
	"time"
)

// taskKind is one thing that a web node does to the servers.
type taskKind uint8

const (
	_ taskKind = iota
	// taskMove: a new epoch on the server to; the other one is fenced before, or was
	// out of reach.
	taskMove
	// taskFence: on the server to, the epoch is the other's.
	taskFence
	// taskOpen: to takes up an epoch that was recorded for it elsewhere.
	taskOpen
	// taskUnlock: to was locked at its boot or by a move that failed.
	taskUnlock
	// taskResume: to goes on applying after the gate.
	taskResume
	// taskLift: to takes over the application's schemas again.
	taskLift
)

// String names the kind in logs.
func (k taskKind) String() string {
	return [...]string{"none", "move", "fence", "open", "unlock", "resume", "lift"}[k]
}

// task is handed to the hand, and comes back by finish.
type task struct {
	kind    taskKind
	to      Role
	epoch   epoch // to be reached; its position is the one demanded
	from    epoch // in force when the task began
	planned bool  // give up rather than lose what is not replicated
	force   bool  // an operator answers for it
	// lost: the server to be fenced misses writes of its own. Where it stands means nothing.
	lost bool
	// passed: the server to be fenced has passed over the tail of the one that Force opens.
	passed bool
	// blind: the writer has not been seen; whether the quarantine may end, only that tells.
	blind bool
	judge bool // taskFence: the server was a writer before, look for its tail
	// hopeless: the other server has been dead for a while, so a short try is enough.
	hopeless bool
	served   bool // the application was in service when it began
	reason   string
	began    time.Time
	// answer is what the operator waits for.
	answer chan error
}

// next returns what is to be done now, or nil. The hand does one thing at a time.
func (p *pair) next(now time.Time) (*task, []Transition) {
	if p.task != nil || p.twins() {
		return nil, nil
	}
	t := p.wished()
	if t == nil && now.Before(p.cool) {
		return nil, nil
	}
	if t == nil && p.state != StateFrozen {
		t = p.needed(now)
	}
	if t == nil && p.state == StateFrozen && !p.split() {
		t = p.fenceLower()
	}
	if t == nil {
		return nil, nil
	}
	t.from, t.began, p.task = p.highest, now, t
	t.lost = t.kind == taskMove && p.lost(t.to.other()) || t.kind == taskFence && p.lost(t.to)
	t.passed = t.kind == taskMove && p.servers[t.to].sight.tail != "" || t.kind == taskFence && p.passed(t.to)
	if t.kind != taskMove {
		return t, nil
	}
	state := StatePromoting
	if t.planned {
		state = StateDraining
	}
	// DOWN fails the application at once: not each vain attempt shall make it wait again.
	if p.state == StateDown && p.trials.of(t.kind, t.to) >= lasting {
		return t, nil
	}
	from := p.state
	if t.served = from.serving(); t.served {
		p.doubted = now
	}
	p.state, p.since, p.reason = state, now, t.reason
	return t, []Transition{{From: from, To: state, Active: p.active, Epoch: p.epoch, At: now, Reason: t.reason}}
}

// wished begins what an operator has asked for. If it has come about meanwhile, by the task that was
// under way, that is the answer: a second move to the same server would only lock and open it.
func (p *pair) wished() *task {
	t := p.wish
	p.wish = nil
	if t == nil {
		return nil
	}
	if owner, known := p.owner(); known && owner == t.to && p.state == home(t.to) {
		t.answer <- nil
		return nil
	}
	t.epoch = p.fresh(t.to)
	return t
}

// fresh is an epoch that nobody has yet, one more where the server changes and two more
// where it stays. So one server's numbers are odd and the other one's are even, whoever
// counts: two nodes at once (two people, or a Switch to the suspect beside a failover) never
// give one number to both servers, which would be FROZEN. Of two epochs the higher is in force.
func (p *pair) fresh(to Role) epoch {
	last := p.highest
	for _, h := range p.servers {
		if h.sight.top.above(last) {
			last = h.sight.top
		}
	}
	if last.server == p.ids[to] {
		last.number++
	}
	return epoch{number: last.number + 1, server: p.ids[to]}
}

// needed goes through what keeps the servers in order, the most urgent first.
func (p *pair) needed(now time.Time) *task {
	owner, known := p.owner()
	if !known || !p.recent(now) {
		return nil
	}
	fence := p.fenceLower()
	choices := []*task{
		p.failover(owner, now), fence, p.openOwner(owner, now), p.unlockOwner(owner, now),
		p.resumeApplying(owner), p.liftQuarantine(owner), p.failbackTo(owner, now),
	}
	// A fence that does not work (a lock that somebody holds, a disk that hangs) comes after
	// the writer's opening every second time, which nothing would ever open otherwise.
	if fence != nil && p.trials.of(taskFence, fence.to) > 0 && p.trials.last == taskFence {
		choices[1], choices[2], choices[3] = choices[2], choices[3], fence
	}
	for _, choice := range choices {
		if choice != nil {
			return choice
		}
	}
	return nil
}

func (p *pair) failover(owner Role, now time.Time) *task {
	to := owner.other()
	if !p.failing(owner, now) || p.unfit(to, now) != "" || now.Before(p.witness.until) {
		return nil
	}
	return &task{
		kind: taskMove, to: to, epoch: p.fresh(to), hopeless: p.servers[owner].health == HealthDead,
		reason: owner.String() + ": " + p.complaint(owner),
	}
}

// recent reports whether what is known of both servers is of now. After a pause of this
// process (a stopped machine) the failures are still counted, a veto has run out, and a
// server that was locked at its boot may not be the writer any more; the next looks tell.
func (p *pair) recent(now time.Time) bool {
	for _, h := range p.servers {
		pause := 2 * slowest
		if h.health == HealthOK {
			pause = 2 * p.timing.interval
		}
		if now.Sub(h.ended) > pause+2*p.timing.timeout {
			return false
		}
	}
	return true
}

// twins reports whether both names lead to one server.
func (p *pair) twins() bool {
	a, b := &p.servers[Primary], &p.servers[Secondary]
	return a.health == HealthOK && b.health == HealthOK && a.sight.known && a.sight.id == b.sight.id
}

// fenceLower tells the server that does not own the highest epoch.
func (p *pair) fenceLower() *task {
	owner, known := p.owner()
	if !known || p.highest.server == 0 {
		return nil
	}
	to := owner.other()
	s, ok := p.view(to)
	lost := p.lost(to) && s.tail == ""
	if !ok || s.id == p.highest.server || s.top.number == p.highest.number && s.locked && !p.unjudged(s) && !lost && !p.passed(to) && !s.halfway() {
		return nil
	}
	// A fence ends a quarantine, and only the writer knows whether that is right.
	_, both := p.view(owner)
	if !both && s.locked && s.quarantined {
		return nil
	}
	// Without a position all that it ever wrote would be its tail: later, then.
	judge := s.top.server == s.id && s.top.number < p.highest.number && p.highest.gtid != "" || p.unjudged(s)
	return &task{kind: taskFence, to: to, epoch: p.highest, judge: judge, blind: !both && s.quarantined && s.tail == ""}
}

// passed: the writer was opened by Force although it had a tail, or had never been judged for the
// epoch in which this server, the writer then, passed its rows over. Nobody has said so yet:
// once somebody has, this server is judged.
func (p *pair) passed(to Role) bool {
	o, ok := p.view(to.other())
	s, both := p.view(to)
	if !ok || !both || o.top != p.highest || o.top.server != o.id || s.judged >= o.top.number {
		return false
	}
	return o.forced || s.quarantined && s.top.server == s.id && s.top.number < o.top.number && o.judged < s.top.number
}

// unjudged: the server knows the epoch, or an earlier one of the same server's, but had more than
// the writer when that opened. A node fenced it and waited for the rest, another one did not
// reach it and opened the writer without: what came in between was skipped.
func (p *pair) unjudged(s sight) bool {
	return s.top.server != s.id && p.highest.server != s.id && s.top.number <= p.highest.number &&
		s.judged < s.top.number && p.highest.gtid != "" &&
		(s.top.gtid == "" && s.top.number > 1 || !covers(p.highest.gtid, s.top.gtid))
}

// openOwner finishes what another node began: the epoch is recorded on one server, and
// the one that it names does not know.
func (p *pair) openOwner(owner Role, now time.Time) *task {
	s, ok := p.view(owner)
	if !ok || s.top.number >= p.highest.number {
		return nil
	}
	ready := s.tail == "" && p.compared(owner) && !p.lost(owner) && covers(s.at, p.highest.gtid)
	open := &task{kind: taskOpen, to: owner, epoch: p.highest}
	if ready && !p.trials.lasts(taskOpen, owner) {
		return open
	}
	// It never gets there, has been judged meanwhile, or refuses: the one that was fenced
	// for it takes the next epoch. It wrote last, so its quarantine does not matter.
	if o, ok := p.view(owner.other()); ok && o.tail == "" && now.Sub(p.doubted) >= p.timing.doubt {
		return p.instead(owner, "has not reached the epoch's position")
	}
	if ready { // there is nobody else: a disk gets room again
		return open
	}
	return nil
}

// instead gives the next epoch to the other server.
func (p *pair) instead(owner Role, reason string) *task {
	to := owner.other()
	return &task{kind: taskMove, to: to, planned: true, epoch: p.fresh(to), reason: owner.String() + ": " + reason}
}

// unlockOwner opens a server that was locked at its boot, if nobody else can have been
// given a later epoch meanwhile: both servers were read, or this node knew the epoch.
func (p *pair) unlockOwner(owner Role, now time.Time) *task {
	s, ok := p.view(owner)
	if !ok || !s.locked || s.top.number != p.highest.number || s.top.server != s.id || !p.vouched || !p.compared(owner) || p.lost(owner) {
		return nil
	}
	// A moment, because it may be somebody's move that locked it.
	if now.Sub(p.eyes[owner].locked) < p.timing.settle {
		return nil
	}
	if p.trials.lasts(taskUnlock, owner) && p.unfit(owner.other(), now) == "" {
		return p.instead(owner, "cannot be opened")
	}
	return &task{kind: taskUnlock, to: owner, epoch: p.highest}
}

func (p *pair) resumeApplying(owner Role) *task {
	for _, r := range []Role{Primary, Secondary} {
		s, ok := p.view(r)
		if !ok || s.top.number != p.highest.number {
			continue
		}
		if s.feed.gated && p.eyes[r].resumed < fruitless || s.stuck() && p.eyes[r].freed < fruitless {
			return &task{kind: taskResume, to: r, epoch: p.highest}
		}
		if s.feed.gated {
			return p.outdoGate(owner)
		}
	}
	return nil
}

// stuck: applying ended at a row that the server passes over by now. It had taken over some of
// the new writer's beside a tail that nobody had found yet.
func (s sight) stuck() bool {
	return s.tail != "" && s.quarantined && !s.feed.applying && s.feed.errno != 0 && !s.feed.gated
}

// halfway: a promotion was cut short before its epoch, and has left a quarantine behind: all
// that the writer does is passed over here. The fence finds out and taints it.
func (s sight) halfway() bool { return s.quarantined && s.tail == "" && s.top.server != s.id }

// fruitless is how often resuming is tried before the gate is taken for one without an
// epoch.
const fruitless = 3

// outdoGate begins another epoch on the same server. A promotion that was cut short after
// its gate and before its row leaves a gate that no epoch opens, and replication stands
// for all applications. A new number is at least the gate's.
func (p *pair) outdoGate(owner Role) *task {
	s, both := p.view(owner)
	if _, ok := p.view(owner.other()); !ok || !both || !p.open(owner) {
		return nil
	}
	e := p.fresh(owner)
	e.gtid = s.at
	return &task{kind: taskFence, to: owner.other(), epoch: e}
}

// liftQuarantine ends the writer's: once the old server is fenced and has no tail, or
// is repaired and its tail lies behind.
func (p *pair) liftQuarantine(owner Role) *task {
	s, ok := p.view(owner)
	o, known := p.view(owner.other())
	if !ok || !known || !s.quarantined || o.tail != "" || o.quarantined || !o.locked || p.unjudged(o) ||
		o.top.number != p.highest.number || !covers(s.at, written(o.at, o.origin())) {
		return nil
	}
	return &task{kind: taskLift, to: owner, epoch: p.highest}
}

// failbackTo leads home to the primary once nothing speaks against it for a while.
func (p *pair) failbackTo(owner Role, now time.Time) *task {
	if p.failback != WhenSynced || owner != Secondary || !p.state.serving() || !p.synced(now) {
		p.stable = time.Time{}
		return nil
	}
	if p.stable.IsZero() {
		p.stable = now
	}
	if now.Sub(p.stable) < p.timing.stable {
		return nil
	}
	return &task{kind: taskMove, to: Primary, planned: true, epoch: p.fresh(Primary), reason: "the primary is in step again"}
}

func (p *pair) synced(now time.Time) bool {
	a, okA := p.view(Primary)
	b, okB := p.view(Secondary)
	why := p.unfit(Primary, now)
	// Canaries are on their way at any moment; and a lag of nothing is now and then a
	// second, where one begins between two clocks.
	return okA && okB && (why == "" || why == whyNotApplied) && !a.quarantined && !b.quarantined &&
		a.feed.running() && b.feed.running() && max(a.feed.lag, b.feed.lag) <= 1 &&
		!p.stalling(Primary, now) && a.locked && !b.locked
}
