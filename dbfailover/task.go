package dbfailover

import (
	"errors"
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
	judge   bool  // taskFence: the server was a writer before, look for its tail
	// hopeless: the other server has been dead for a while, so a short try is enough.
	hopeless bool
	reason   string
	began    time.Time
	// answer is what the operator waits for.
	answer chan error
}

// next returns what is to be done now, or nil. The hand does one thing at a time.
func (p *pair) next(now time.Time) (*task, []Transition) {
	if p.task != nil {
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
	if t.kind != taskMove {
		return t, nil
	}
	state := StatePromoting
	if t.planned {
		state = StateDraining
	}
	from := p.state
	if from.serving() {
		p.doubted = now
	}
	p.state, p.since, p.reason = state, now, t.reason
	return t, []Transition{{From: from, To: state, Active: p.active, Epoch: p.epoch, At: now, Reason: t.reason}}
}

func (p *pair) wished() *task {
	t := p.wish
	p.wish = nil
	if t != nil {
		t.epoch = p.fresh(t.to)
	}
	return t
}

// fresh is an epoch that nobody has yet.
func (p *pair) fresh(to Role) epoch {
	number := p.highest.number
	for _, h := range p.servers {
		number = max(number, h.sight.top.number)
	}
	return epoch{number: number + 1, server: p.ids[to]}
}

// needed goes through what keeps the servers in order, the most urgent first.
func (p *pair) needed(now time.Time) *task {
	owner, known := p.owner()
	if !known {
		return nil
	}
	for _, choice := range []*task{
		p.failover(owner, now), p.fenceLower(), p.openOwner(owner, now), p.unlockOwner(owner, now),
		p.resumeApplying(), p.liftQuarantine(owner), p.failbackTo(owner, now),
	} {
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

// fenceLower tells the server that does not own the highest epoch.
func (p *pair) fenceLower() *task {
	owner, known := p.owner()
	if !known || p.highest.server == 0 {
		return nil
	}
	to := owner.other()
	s, ok := p.view(to)
	if !ok || s.top.number == p.highest.number && s.locked {
		return nil
	}
	return &task{kind: taskFence, to: to, epoch: p.highest, judge: s.top.server == s.id && s.top.number < p.highest.number}
}

// openOwner finishes what another node began: the epoch is recorded on one server, and
// the one that it names does not know.
func (p *pair) openOwner(owner Role, now time.Time) *task {
	s, ok := p.view(owner)
	if !ok || s.top.number >= p.highest.number || s.tail != "" || p.lost(owner) {
		return nil
	}
	if covers(s.at, p.highest.gtid) {
		return &task{kind: taskOpen, to: owner, epoch: p.highest}
	}
	// It never gets there: the one that was fenced for it takes the next epoch.
	if other := owner.other(); now.Sub(p.doubted) >= p.timing.doubt && p.eyes[other].defied == 0 {
		if o, ok := p.view(other); ok && o.tail == "" && !o.quarantined {
			return &task{kind: taskMove, to: other, planned: true, epoch: p.fresh(other),
				reason: owner.String() + ": has not reached the epoch's position"}
		}
	}
	return nil
}

// unlockOwner opens a server that was locked at its boot, if nobody else can have been
// given a later epoch meanwhile: both servers were read, or this node knew the epoch.
func (p *pair) unlockOwner(owner Role, now time.Time) *task {
	s, ok := p.view(owner)
	if !ok || !s.locked || s.top.number != p.highest.number || s.top.server != s.id || !p.vouched || p.lost(owner) {
		return nil
	}
	// A moment, because it may be somebody's move that locked it.
	if now.Sub(p.eyes[owner].locked) < p.timing.settle {
		return nil
	}
	return &task{kind: taskUnlock, to: owner, epoch: p.highest}
}

func (p *pair) resumeApplying() *task {
	for _, r := range []Role{Primary, Secondary} {
		if s, ok := p.view(r); ok && s.feed.gated && s.top.number == p.highest.number {
			return &task{kind: taskResume, to: r, epoch: p.highest}
		}
	}
	return nil
}

// liftQuarantine ends the writer's: once the old server is fenced and has no tail, or
// is repaired and its tail lies behind.
func (p *pair) liftQuarantine(owner Role) *task {
	s, ok := p.view(owner)
	o, known := p.view(owner.other())
	if !ok || !known || !s.quarantined || o.tail != "" || o.quarantined || !o.locked ||
		o.top.number != p.highest.number || lacks(s.at, o.id, o.at) || !covers(s.at, ownPart(o)) {
		return nil
	}
	return &task{kind: taskLift, to: owner, epoch: p.highest}
}

// ownPart is how far the server itself has written.
func ownPart(s sight) string {
	at, err := parsePosition(s.at)
	if err != nil {
		return s.at // covered by nothing
	}
	return at.of(s.id).String()
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

// order takes an operator's wish, or says why not.
func (p *pair) order(to Role, force bool, now time.Time) (*task, error) {
	if owner, known := p.owner(); known && owner == to && p.state == home(to) {
		return nil, nil
	}
	if p.ids[to] == 0 {
		return nil, errors.New("it has never been reached")
	}
	if _, ok := p.view(to); !ok {
		return nil, errors.New("its last check failed: " + p.servers[to].reason)
	}
	if why := p.objection(to, now); why != "" && !force {
		return nil, errors.New(why)
	}
	p.wish = &task{kind: taskMove, to: to, planned: !force, force: force, reason: "ordered by Switch", answer: make(chan error, 1)}
	return p.wish, nil
}

// objection is what only Force overrides.
func (p *pair) objection(to Role, now time.Time) string {
	if p.split() {
		return "the same epoch is on both servers"
	}
	if why := p.unfit(to, now); why != "" && why != whyNotApplied {
		return why // what is not applied yet, the move waits for
	}
	if owner, known := p.owner(); known && owner != to {
		o, ok := p.view(owner)
		if !ok {
			return "the other server cannot be fenced, it does not answer; Force skips that"
		}
		if o.quarantined {
			return "the other server is in quarantine: what it wrote has not arrived here"
		}
	}
	return ""
}

// outcome is what became of a task.
type outcome struct {
	err     error
	reached bool  // the server answered
	epoch   epoch // taskMove, taskOpen: the one in force
	ended   time.Time
}

// finish takes a task back.
func (p *pair) finish(t *task, o outcome) []Transition {
	p.task = nil
	p.eyes[t.to].touched = o.ended
	if t.kind == taskMove {
		p.eyes[t.to.other()].touched = o.ended
	}
	if o.err != nil || t.kind == taskResume { // which shows a moment later
		p.cool = o.ended.Add(p.timing.cool)
	}
	switch {
	case t.kind == taskFence && o.err == nil:
		p.eyes[t.to].defied = 0
	case t.kind == taskFence && o.reached && !overtaken(o.err):
		p.eyes[t.to].defied++
	case t.kind == taskMove && o.err != nil:
		return p.become(StateSuspect, p.active, o.ended, "the move failed")
	case (t.kind == taskMove || t.kind == taskOpen) && o.err == nil:
		if o.epoch.number >= p.highest.number {
			p.highest, p.vouched = o.epoch, true
		}
		p.eyes[t.to].locked = time.Time{}
		return p.become(home(t.to), t.to, o.ended, t.done())
	}
	return p.decide(o.ended)
}

// done is the reason of the state that a task led to.
func (t *task) done() string {
	if t.kind == taskOpen {
		return "took up the epoch recorded for it"
	}
	return t.reason
}

func overtaken(err error) bool { return serverSaid(err, errOvertaken, errBusy) }
