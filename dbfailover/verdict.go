package dbfailover

import "time"

// frozenAfter is how often in a row a server that answers may refuse to be locked.
const frozenAfter = 3

// decide derives the state from what is known. It holds still while the hand moves
// the application: what is seen meanwhile is half of the move.
func (p *pair) decide(now time.Time) []Transition {
	if p.task != nil && p.task.kind == taskMove {
		return nil
	}
	if why := p.freezes(); why != "" {
		return p.become(StateFrozen, p.active, now, why)
	}
	if p.state == StateFrozen {
		return p.become(StateSuspect, p.active, now, "no conflict any more")
	}
	owner, known := p.owner()
	if !known {
		return p.search(now)
	}
	if p.open(owner) && p.informed(owner, now) {
		return p.serve(owner, now)
	}
	if p.state.serving() {
		return p.doubt(owner, now)
	}
	return p.despair(owner, now)
}

// freezes says why nobody may write, if so.
func (p *pair) freezes() string {
	if p.split() {
		return "the same epoch on both servers"
	}
	for _, r := range []Role{Primary, Secondary} {
		if p.eyes[r].defied >= frozenAfter {
			return r.String() + " answers and cannot be locked"
		}
	}
	return ""
}

// search is INIT without a single epoch read.
func (p *pair) search(now time.Time) []Transition {
	for _, h := range p.servers {
		if h.misses < p.timing.fall || now.Sub(p.doubted) < p.timing.holdOff {
			return nil
		}
	}
	return p.become(StateDown, p.active, now, "no server tells the epoch")
}

// informed keeps a node that has just started from believing the first server it
// meets: the other one is asked as well, for as long as a suspicion would last.
func (p *pair) informed(owner Role, now time.Time) bool {
	if p.state != StateInit {
		return true
	}
	_, both := p.view(owner.other())
	return both || p.servers[owner.other()].misses >= p.timing.fall && now.Sub(p.doubted) >= p.timing.holdOff
}

// serve is the end of all doubt. A server that cannot write is still served: its
// reads work, and a move comes from next.
func (p *pair) serve(owner Role, now time.Time) []Transition {
	if p.state.serving() && p.active == owner && p.epoch == p.highest.number {
		return nil
	}
	return p.become(home(owner), owner, now, "the epoch's server is open")
}

// doubt ends service. A server that refuses us (too many connections) is alive, and
// those who are in go on.
func (p *pair) doubt(owner Role, now time.Time) []Transition {
	same := p.active == owner && p.epoch == p.highest.number
	h := p.servers[owner]
	_, fresh := p.view(owner)
	switch {
	case !same:
		return p.become(StateSuspect, owner, now, "another epoch began")
	case h.health == HealthDead:
		return p.become(StateSuspect, owner, now, owner.String()+": "+h.reason)
	case fresh:
		return p.become(StateSuspect, owner, now, owner.String()+": the account is locked")
	}
	return nil
}

// despair ends SUSPECT and INIT: by PROMOTING, or in DOWN, or back in service.
func (p *pair) despair(owner Role, now time.Time) []Transition {
	h, waited := p.servers[owner], now.Sub(p.doubted)
	if p.state == StateDown && (p.active != owner || p.epoch != p.highest.number) { // it has heard of a later one
		return p.become(StateDown, owner, now, owner.String()+": "+p.complaint(owner))
	}
	if h.health == HealthRefusing && p.state == StateSuspect && p.active == owner && p.epoch == p.highest.number &&
		p.eyes[owner].locked.IsZero() {
		return p.become(home(owner), owner, now, owner.String()+": "+h.reason)
	}
	if p.failing(owner, now) {
		why := p.unfit(owner.other(), now)
		if why == "" && p.trials.of(taskMove, owner.other()) >= lasting {
			why = "it refuses: " + p.trials.reason(taskMove, owner.other())
		}
		// With nothing against it next moves; under a veto others are served.
		if why == "" || p.vetoed(now) || waited < p.timing.doubt || p.state == StateDown {
			return nil
		}
		return p.become(StateDown, owner, now, owner.String()+": "+p.complaint(owner)+"; "+owner.other().String()+": "+why)
	}
	if waited >= p.timing.doubt && p.state != StateDown && h.health != HealthUnknown {
		return p.become(StateDown, owner, now, owner.String()+": "+p.complaint(owner))
	}
	return nil
}

// failing reports whether the highest epoch's server has failed for long enough.
func (p *pair) failing(owner Role, now time.Time) bool {
	h := p.servers[owner]
	dead := h.gone(p.timing.fall) && now.Sub(p.doubted) >= p.timing.holdOff
	// One that lacks writes and is open was opened by a human all the same.
	return dead && p.state.uncertain() || p.stalling(owner, now) || p.lost(owner) && !p.open(owner)
}

// complaint says what is wrong with a server.
func (p *pair) complaint(r Role) string {
	s, ok := p.view(r)
	switch {
	case !ok:
		return p.servers[r].reason
	case p.lost(r):
		return whyLost
	case p.eyes[r].stalls > 0:
		return "cannot write"
	case s.top.number < p.highest.number:
		return "has not reached the epoch's position"
	case s.locked:
		return "locked since its start, and the epoch is not certain"
	}
	return "not open"
}

const (
	whyNotApplied = "has not applied all that it received"
	whyUnjudged   = "nobody has looked yet for what it wrote beside the epoch"
	whyTwins      = "both names lead to one server"
	whyLost       = "lacks writes of its own"
)

// unfit says why a server must not be promoted, or nothing.
func (p *pair) unfit(r Role, now time.Time) string {
	s, ok := p.view(r)
	h := p.servers[r]
	switch {
	case !ok:
		return "no good check (" + h.reason + ")"
	case p.state.uncertain() && h.began.Before(p.doubted):
		return "no check since the doubt began"
	case s.tail != "":
		return "tainted: it has writes that never replicated"
	case p.unjudged(s): // or what killed threads still wrote is in nobody's tail
		return whyUnjudged
	case !p.compared(r):
		return "not compared with the other one yet"
	case p.lost(r):
		return whyLost
	case s.quarantined && s.top.server != s.id:
		return "quarantined: it has not taken over the application's writes"
	case p.twins():
		return whyTwins
	case p.deaf(Primary) || p.deaf(Secondary):
		return whyDeaf
	case s.readOnly:
		return "read-only"
	case s.top.number < p.highest.number:
		return "has not been told of the epoch" // and may have gone on in an earlier one
	case p.highest.gtid == "" && p.highest.number > 1 && p.highest.server != s.id:
		return "the epoch's position is not known, it may lack that"
	case !covers(s.at, p.highest.gtid):
		return "lacks the position recorded with the epoch"
	case !s.feed.applied:
		return whyNotApplied
	case p.stalling(r, now):
		return "cannot write"
	}
	return p.eyes[r].mute.says()
}

// become enters a state; where that is the state already, nothing happens.
func (p *pair) become(to State, active Role, now time.Time, reason string) []Transition {
	number := p.epoch
	if to != StateFrozen && to != StateInit {
		number = p.highest.number
	}
	if to == p.state && active == p.active && number == p.epoch {
		return nil
	}
	// Older connections are cut when the writer or the epoch changes, and in FROZEN.
	if active != p.active || number != p.epoch || to == StateFrozen {
		p.turn++
	}
	from := p.state
	if from.serving() || from == StateFrozen {
		p.doubted = now
	}
	if to.serving() && number > p.served {
		p.served = number
		p.trials.opened()
	}
	p.state, p.active, p.epoch, p.since, p.reason = to, active, number, now, reason
	return []Transition{{From: from, To: to, Active: active, Epoch: number, At: now, Reason: reason}}
}
