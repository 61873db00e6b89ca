package dbfailover

import "time"

// machine decides which server is in use. It is pure: no clock, no lock, no
// goroutine; everything it knows comes in as results of checks and as orders of
// an operator, with the time they happened.
//
//	state      on what                                          next
//	INIT       primary alive                                    PRIMARY
//	           primary dead long enough                         SECONDARY or DOWN
//	PRIMARY    a check of the primary failed                    SUSPECT
//	SECONDARY  a check of the secondary failed                  SUSPECT
//	SUSPECT    the active server is alive                       PRIMARY, SECONDARY
//	           primary dead long enough, secondary well         SECONDARY
//	           the same, secondary gone too                     DOWN
//	           secondary active and dead long enough            DOWN
//	DOWN       the active server is alive                       PRIMARY, SECONDARY
//	           primary active, secondary well                   SUSPECT
//
// From any state an operator's Switch leads to PRIMARY or SECONDARY. Nothing else
// leads from the secondary back to the primary: who returns by himself, does so
// on one web node earlier than on another.
type machine struct {
	timing timing
	standing
}

// standing is what a machine has decided, and on what grounds.
type standing struct {
	state  State
	active Role
	epoch  uint64 // Independent: how often active has changed, from 1
	// turn grows with every decision after which older connections are to be cut.
	turn    uint64
	since   time.Time // when state was entered
	reason  string    // why
	servers [2]checked
}

// decider is a machine of one topology. It is pure, see machine.
type decider interface {
	// observe takes in a finished check.
	observe(r result) []Transition
	// stands shows what is decided; it is the machine's own.
	stands() *standing
}

func (s *standing) stands() *standing { return s }

// checked is the last check of one server.
type checked struct {
	health       Health
	reason       string
	number       uint64 // of the check, from 1
	began, ended time.Time
	failures     int       // HealthDead in a row
	misses       int       // HealthDead or HealthRefusing in a row
	sight        sight     // of the last good check
	seen         time.Time // when that ended
}

// result is one finished check.
type result struct {
	role         Role
	health       Health
	reason       string
	number       uint64
	began, ended time.Time
	sight        sight // if health is HealthOK
}

func newMachine(t timing, now time.Time) *machine {
	return &machine{timing: t, standing: standing{epoch: 1, turn: 1, since: now, reason: "started"}}
}

// observe takes in a finished check and returns the changes it led to, in order.
func (m *machine) observe(r result) []Transition {
	m.servers[r.role].take(r)
	var changes []Transition
	if r.role == m.active {
		changes = m.judgeActive(r)
	} else if m.state == StateDown && m.active == Primary && r.health == HealthOK {
		// Not at once to the one that is up: after a power cut the servers come
		// back seconds apart, and each web node would meet another one first.
		changes = m.enter(StateSuspect, m.active, r.ended, "secondary is up again")
	}
	return append(changes, m.decide(r.ended)...)
}

func (h *checked) take(r result) {
	h.health, h.reason = r.health, r.reason
	h.number, h.began, h.ended = r.number, r.began, r.ended
	if r.health == HealthOK {
		h.sight, h.seen = r.sight, r.ended
	}
	h.count()
}

// count keeps the books of failed checks; HealthUnknown leaves them as they are.
func (h *checked) count() {
	switch h.health {
	case HealthOK:
		h.failures, h.misses = 0, 0
	case HealthRefusing:
		h.failures = 0
		h.misses++
	case HealthDead:
		h.failures++
		h.misses++
	}
}

// gone reports whether the server failed so many checks in a row. The end of a pause of
// this process is no moment to say so, even if the pause was short enough for what is
// known of the other server to be fresh: the next check tells.
func (h *checked) gone(fall int) bool { return h.failures >= fall && h.reason != reasonPaused }

func (m *machine) judgeActive(r result) []Transition {
	switch {
	case r.health.alive() && !m.state.serving():
		return m.enter(home(m.active), m.active, r.ended, r.role.String()+": "+r.reason)
	case r.health == HealthDead && m.state.serving():
		return m.enter(StateSuspect, m.active, r.ended, r.role.String()+": "+r.reason)
	}
	return nil
}

// decide ends INIT and SUSPECT once the active server has failed often enough
// and, with a hold-off, for long enough.
func (m *machine) decide(now time.Time) []Transition {
	active := m.servers[m.active]
	if !m.state.undecided() || !active.gone(m.timing.fall) || now.Sub(m.since) < m.timing.holdOff {
		return nil
	}
	why := m.active.String() + ": " + active.reason
	if m.active == Secondary {
		return m.enter(StateDown, m.active, now, why)
	}
	other := m.servers[Secondary]
	switch {
	case other.ended.IsZero() || other.began.Before(m.since):
		return nil // old news of the other server is no reason to go there
	case other.health == HealthOK:
		return m.enter(StateSecondary, Secondary, now, why)
	case other.misses < m.timing.fall && now.Sub(m.since) < m.timing.doubt:
		// One bad check of the only server left is no more final than one of the
		// other was: DOWN fails the application at once, waiting costs it a moment.
		return nil
	}
	return m.enter(StateDown, m.active, now, why+"; secondary: "+other.reason)
}

// order carries out an operator's wish. The target's last check must be good.
func (m *machine) order(to Role, now time.Time) ([]Transition, bool) {
	if m.servers[to].health != HealthOK {
		return nil, false
	}
	if m.active == to && m.state == home(to) {
		return nil, true
	}
	return m.enter(home(to), to, now, "ordered by Switch"), true
}

func (m *machine) enter(to State, active Role, now time.Time, reason string) []Transition {
	from := m.state
	if active != m.active {
		m.epoch++
		m.turn++
	}
	m.state, m.active, m.since, m.reason = to, active, now, reason
	return []Transition{{From: from, To: to, Active: active, Epoch: m.epoch, At: now, Reason: reason}}
}

// home is the state in which a server is in use.
func home(r Role) State {
	if r == Primary {
		return StatePrimary
	}
	return StateSecondary
}
