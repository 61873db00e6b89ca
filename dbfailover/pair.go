package dbfailover

import "time"

// pair decides for two servers that replicate to each other and are shared with other
// applications. Like machine it is pure: checks, canaries and the outcomes of tasks
// come in with their times, changes of state and tasks come out.
//
//	state      on what                                              next
//	INIT       the highest epoch's server is open                   PRIMARY, SECONDARY
//	PRIMARY,   its server failed a check, or is locked, or another  SUSPECT
//	SECONDARY    epoch is known
//	           its canary has been failing for long                 PROMOTING
//	           an operator's Switch, or WhenSynced                  DRAINING
//	SUSPECT    the highest epoch's server is open                   PRIMARY, SECONDARY
//	           it is dead for long enough, the other one fit        PROMOTING
//	           it is dead, or locked without proof, for long        DOWN
//	PROMOTING, the new epoch is open                                PRIMARY, SECONDARY
//	DRAINING   it failed                                            SUSPECT
//	DOWN       as in SUSPECT
//	any        one epoch on two servers, or the lower of two cannot FROZEN
//	             be locked
//	FROZEN     not so any more                                      SUSPECT
//
// The highest epoch known decides, wherever it is known from: epochs are inserted and
// never changed, so web nodes that see the same rows decide the same.
type pair struct {
	standing
	timing   timing
	failback Failback

	ids [2]uint32 // server_id by role, 0 while unknown
	// highest is the highest epoch that this node has ever seen.
	highest epoch
	// vouched: highest may open a server that was locked at its boot. It was read
	// while both servers were, or from a server that was open, or kept on disk.
	vouched bool

	eyes    [2]eye
	task    *task     // the hand is at it
	wish    *task     // an operator's, not begun
	cool    time.Time // no task before
	trials  trials
	served  uint64    // the last epoch that the application was led to
	doubted time.Time // when the last service ended
	stable  time.Time // since when a failback would be possible
	witness witness
}

// eye is what is remembered of a server from check to check.
type eye struct {
	locked  time.Time // since when it has been seen locked, or zero
	touched time.Time // a task changed it then: older sights are void
	stalled time.Time // since when canaries have failed, or zero
	stalls  int
	lost    bool   // it misses writes of its own
	matched bool   // it has been compared for that since it was last dead,
	wrote   string // with this of its own
	defied  int    // fences in a row that it refused although it answers
	resumed int    // how often it was told to go on after the gate, and is still there
	freed   int    // how often it was told to go on after an error, since it is tainted
	echo    echo   // of what is written there
	mute    mute
}

func newPair(t timing, f Failback, kept memory, now time.Time) *pair {
	return &pair{
		timing: t, failback: f, doubted: now, ids: kept.ids, highest: kept.highest, vouched: kept.highest.number > 0,
		standing: standing{turn: 1, since: now, reason: "started", epoch: kept.highest.number},
	}
}

// observe takes in a finished check.
func (p *pair) observe(r result) []Transition {
	p.servers[r.role].take(r)
	if r.health == HealthOK {
		p.learn(r)
	} else if r.health != HealthRefusing { // one that refuses has not been away
		p.eyes[r.role].locked = time.Time{}
	}
	if r.health == HealthDead {
		p.eyes[r.role].defied = 0 // it defies nobody now; back, it is asked again
		p.eyes[r.role].matched = false
		p.eyes[Primary].echo.asking, p.eyes[Secondary].echo.asking = false, false // it may come back as another one
	}
	return p.decide(r.ended)
}

// learn keeps what outlives a check.
func (p *pair) learn(r result) {
	s := r.sight
	p.ids[r.role] = s.id
	// Names that were exchanged in the configuration: the other one's id is of before.
	if o := r.role.other(); p.ids[o] == s.id && p.servers[o].health != HealthOK {
		p.ids[o] = 0
	}
	eye := &p.eyes[r.role]
	p.match(r)
	if !s.locked {
		eye.locked = time.Time{}
	} else if eye.locked.IsZero() {
		eye.locked = r.ended
	}
	if s.top.above(p.highest) {
		p.highest, p.vouched = s.top, false
	} else if s.top.number == p.highest.number && s.top.server == s.id && p.highest.server == s.id {
		p.highest = s.top // the server's own row says where it stood when it opened
	}
	open := s.top == p.highest && s.top.server == s.id && !s.locked
	if _, both := p.view(r.role.other()); both || open {
		p.vouched = true
	}
	if !s.feed.gated {
		eye.resumed = 0
	}
	if s.tail == "" {
		eye.freed = 0
	}
	// Another node's fence worked where this one's did not, and nobody asks again.
	if _, ok := p.view(r.role); ok && s.locked {
		if t := p.fenceLower(); t == nil || t.to != r.role {
			eye.defied = 0
		}
	}
	eye.echo.ask(r)
	p.eyes[r.role.other()].echo.answer(s)
	p.witness.look(p, r)
}

// view returns what is known of a server from a good check that no task has overtaken.
func (p *pair) view(r Role) (sight, bool) {
	h := p.servers[r]
	return h.sight, h.health == HealthOK && h.sight.known && h.began.After(p.eyes[r].touched)
}

// owner returns the server that the highest epoch names.
func (p *pair) owner() (Role, bool) {
	if p.highest.number == 0 {
		return Primary, false
	}
	for _, r := range []Role{Primary, Secondary} {
		if p.ids[r] == p.highest.server {
			return r, true
		}
	}
	// There are only two: it is not the one that is known, so it is the other.
	for _, r := range []Role{Primary, Secondary} {
		if p.ids[r] != 0 {
			return r.other(), true
		}
	}
	return Primary, false
}

// open reports whether the application can write to the highest epoch's server.
func (p *pair) open(r Role) bool {
	s, ok := p.view(r)
	return ok && s.top.number == p.highest.number && s.top.server == s.id && p.highest.server == s.id && !s.locked
}

// sings reports whether a canary may be written to a server: not before it has been
// compared with the other one, if that answers. A canary on a server that was restored
// from an old copy takes one of the numbers that it lacks, and with them goes the evidence.
func (p *pair) sings(r Role) bool {
	_, ok := p.view(r)
	eye := p.eyes[r]
	return ok && !eye.lost && (eye.matched || p.servers[r.other()].misses >= p.timing.fall)
}

// lost reports whether the server misses writes of its own that the other one has.
func (p *pair) lost(r Role) bool {
	_, ok := p.view(r)
	return ok && p.eyes[r].lost
}

// match finds out whether the server misses writes of its own, by the last sight of the
// other one, if that is older: a younger one would have writes that were made in between.
func (p *pair) match(r result) {
	o, eye, wrote := p.servers[r.role.other()], &p.eyes[r.role], r.sight.wrote()
	if !o.sight.known || !o.seen.Before(r.began) {
		if eye.lost && written(wrote, r.sight.origin()) != eye.wrote { // repaired, perhaps: it would be tainted again
			eye.lost, eye.matched = false, false
		}
		return
	}
	eye.wrote = written(wrote, r.sight.origin())
	eye.lost = lacks(wrote, r.sight.origin(), o.sight.at) || lacks(wrote, r.sight.origin(), o.sight.feed.received)
	eye.matched = true
}

// compared reports whether match has been done, or cannot be. Where the first looks at both
// overlap, it takes another one.
func (p *pair) compared(r Role) bool {
	return p.eyes[r].matched || !p.servers[r.other()].sight.known
}

// split reports whether one epoch is held by two servers. Rows do not go away, so a
// sight is good for this however old it is, until a later epoch has decided.
func (p *pair) split() bool {
	a, b := p.servers[Primary].sight.top, p.servers[Secondary].sight.top
	return a.contradicts(b) && a.number >= p.highest.number || a.contradicts(p.highest) || b.contradicts(p.highest)
}

// witness watches, in doubt, whether the other server still receives what other web
// nodes write to the suspect. Then it is our path that is bad, not the server.
type witness struct {
	since time.Time // the doubt it belongs to
	beats uint64
	known bool
	until time.Time // the veto ends
}

func (w *witness) look(p *pair, r result) {
	owner, ok := p.owner()
	if !ok || r.role == owner || !p.state.uncertain() {
		return
	}
	if w.since != p.doubted {
		*w = witness{since: p.doubted}
	}
	if r.began.Before(p.doubted) {
		return
	}
	// The first look only sets the mark: canaries on their way when the server died
	// still arrive.
	if w.known && r.sight.beats != w.beats {
		w.until = r.ended.Add(p.timing.veto)
	}
	w.beats, w.known = r.sight.beats, true
}

// beat takes in the canary n, that was written, or not: good says the write arrived, bad
// that the server cannot write. What else can go wrong is the checks' business.
func (p *pair) beat(r Role, n uint64, good, bad bool, began, ended time.Time) []Transition {
	eye := &p.eyes[r]
	switch {
	case good:
		eye.stalled, eye.stalls, eye.mute = time.Time{}, 0, mute{}
		eye.echo.sung, eye.echo.sungAt = n, ended
	case bad:
		if eye.stalls++; eye.stalled.IsZero() {
			eye.stalled = began
		}
	}
	return p.decide(ended)
}

// stalling reports whether canaries have failed for long. One hangs as long as its
// timeout, so it takes two.
func (p *pair) stalling(r Role, now time.Time) bool {
	eye := p.eyes[r]
	return eye.stalls >= 2 && now.Sub(eye.stalled) >= p.timing.stall
}

// vetoed reports whether a move is held back because others reach the suspect.
func (p *pair) vetoed(now time.Time) bool {
	return p.state.uncertain() && now.Before(p.witness.until)
}
