package dbfailover

import (
	"strings"
	"testing"
	"time"
)

// for a while: each round of checks is a quarter of a second.
func (p *panel) forA(d time.Duration, round func()) {
	for begin := p.now; p.now.Sub(begin) < d; {
		round()
	}
}

func (p *panel) dead(r Role) { p.check(r, HealthDead, sight{}) }

func (p *panel) must(t *testing.T, what string, want State) {
	t.Helper()
	if p.state != want {
		t.Errorf("%s: %v (%s), want %v", what, p.state, p.reason, want)
	}
}

func TestNodeThatStartsAsksBothServersFirst(t *testing.T) {
	p := newPanel(t, memory{})
	p.see(Primary)
	p.must(t, "one has been seen", StateInit)
	for range p.timing.fall {
		p.see(Primary)
		p.dead(Secondary)
	}
	p.must(t, "the other has failed, for a moment", StateInit)
	p.forA(p.timing.holdOff, func() { p.see(Primary); p.dead(Secondary) })
	p.must(t, "for the hold-off", StatePrimary)

	p = newPanel(t, memory{})
	p.see(Primary)
	p.see(Secondary)
	p.must(t, "both are well", StatePrimary)

	p = newPanel(t, memory{})
	for range p.timing.fall {
		p.dead(Primary)
		p.dead(Secondary)
	}
	p.must(t, "none answers, for a moment", StateInit)
	p.forA(p.timing.holdOff, func() { p.dead(Primary); p.dead(Secondary) })
	p.must(t, "none answers", StateDown)

	p = newPanel(t, memory{})
	p.forA(time.Minute, func() { p.dead(Primary) })
	p.must(t, "one is dead, nothing is known of the other", StateInit)
}

func TestWhatEndsService(t *testing.T) {
	p := serving(t)
	for range 20 {
		p.check(Primary, HealthRefusing, sight{})
		p.see(Secondary)
	}
	p.must(t, "the writer refuses", StatePrimary)
	p.check(Primary, HealthUnknown, sight{})
	p.must(t, "nothing is known of it", StatePrimary)
	p.dead(Primary)
	p.must(t, "dead once", StateSuspect)
	p.check(Primary, HealthRefusing, sight{})
	p.must(t, "it answers again, and refuses", StatePrimary)
	turn := p.turn
	p.see(Primary, isLocked)
	p.must(t, "it is locked", StateSuspect)
	p.check(Primary, HealthRefusing, sight{})
	p.must(t, "it refuses, and is locked for all that is known", StateSuspect)
	if p.turn != turn {
		t.Error("connections were cut, and nobody else is the writer")
	}
	p = serving(t)
	p.see(Primary, in(2, 2, "1-1-10"))
	if p.must(t, "the epoch is another server's", StateSuspect); !strings.Contains(p.reason, "another epoch") {
		t.Error(p.reason)
	}
}

// Others moved away and back again between two checks: the server is the same, and what is
// open on it is of an epoch before the last.
func TestNewEpochOfTheSameServerCutsConnections(t *testing.T) {
	p := serving(t)
	turn := p.turn
	p.see(Primary)
	if p.turn != turn {
		t.Error("cut without a reason")
	}
	p.see(Primary, in(3, 1, "1-1-10,2-2-10"))
	if p.must(t, "in its new epoch", StatePrimary); p.turn == turn || p.epoch != 3 {
		t.Errorf("turn %d after %d, epoch %d", p.turn, turn, p.epoch)
	}
}

func TestHowLongASuspicionLasts(t *testing.T) {
	p := serving(t)
	unfit := func(s *sight) { s.feed.applied = false }
	begin := p.now
	for p.now.Sub(begin) < p.timing.doubt-500*time.Millisecond {
		p.dead(Primary)
		p.see(Secondary, unfit)
		if p.must(t, "nobody to go to yet", StateSuspect); t.Failed() {
			return
		}
	}
	p.forA(time.Second, func() { p.dead(Primary); p.see(Secondary, unfit) })
	p.must(t, "nobody to go to", StateDown)

	p = serving(t)
	p.forA(time.Minute, func() { p.dead(Primary); p.see(Secondary) })
	p.must(t, "the other one is fit, and the hand is called for", StateSuspect)

	p = serving(t)
	beats := uint64(1)
	p.forA(time.Minute, func() {
		p.dead(Primary)
		p.see(Secondary, unfit, func(s *sight) { s.beats = beats })
		beats++
	})
	p.must(t, "others reach the writer, so all is well but here", StateSuspect)
}

func TestHowMuchIsAFailure(t *testing.T) {
	p := serving(t)
	p.dead(Primary)
	p.now = p.now.Add(p.timing.holdOff)
	p.see(Secondary)
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("after one check: %+v", task)
	}
	for range p.timing.fall {
		p.dead(Primary)
		p.see(Secondary)
	}
	if task, _ := p.next(p.now); task == nil || task.kind != taskMove || !task.hopeless {
		t.Errorf("%+v", task)
	}
	p = serving(t)
	for range p.timing.fall + 1 {
		p.dead(Primary)
		p.see(Secondary)
	}
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("within the hold-off: %+v", task)
	}
	// It is looked at now, not in the first moment of the doubt.
	p = serving(t)
	p.dead(Primary)
	p.see(Secondary)
	p.forA(p.timing.holdOff+time.Second, func() { p.dead(Primary) })
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("on a look of a while ago: %+v", task)
	}
}

// Canaries hang as long as their timeout, so one is none; and they have to go on failing.
func TestServerThatCannotWriteIsLeft(t *testing.T) {
	p := serving(t)
	fails := func() { p.beat(Primary, 1, false, true, p.now, p.now) }
	fails()
	p.rounds(40, nothing, nothing)
	if p.task != nil || p.stalling(Primary, p.now) {
		t.Errorf("after one: %+v", p.task)
	}
	fails()
	if task := p.rounds(1, nothing, nothing); task == nil || task.kind != taskMove || task.hopeless {
		t.Fatalf("%+v, want a move with all the time that it takes to lock who answers", task)
	}
	p = serving(t)
	fails()
	fails()
	if p.stalling(Primary, p.now) {
		t.Error("at once")
	}
	p.beat(Primary, 1, true, false, p.now, p.now)
	p.rounds(40, nothing, nothing)
	fails()
	fails()
	if p.stalling(Primary, p.now) {
		t.Error("it wrote in between")
	}
	// The other one must be able to write.
	p = serving(t)
	for range 2 {
		fails()
		p.beat(Secondary, 1, false, true, p.now, p.now)
	}
	if task := p.rounds(40, nothing, nothing); task != nil {
		t.Errorf("to one that cannot write either: %+v", task)
	}
}

func TestVetoBelongsToOneDoubt(t *testing.T) {
	heard := func(n uint64) func(*sight) { return func(s *sight) { s.beats = n } }
	p := serving(t)
	p.see(Secondary, heard(5))
	p.dead(Primary)
	if p.see(Secondary, heard(7)); p.vetoed(p.now) {
		t.Error("by a canary that was on its way")
	}
	if p.see(Secondary, heard(8)); !p.vetoed(p.now) {
		t.Error("a canary since the doubt began is none")
	}
	if p.see(Primary); p.vetoed(p.now) {
		t.Error("in service")
	}
	p.forA(time.Minute, func() { p.see(Primary) })
	p.dead(Primary)
	if p.see(Secondary, heard(9)); p.vetoed(p.now) {
		t.Error("by the mark of an earlier doubt")
	}
	// A look that began before the doubt sets no mark.
	p = serving(t)
	began := p.now
	p.dead(Primary)
	p.observe(result{role: Secondary, health: HealthOK, number: 99, began: began, ended: p.now, sight: sight{known: true, id: 2, top: epoch{1, 1, ""}, locked: true, at: "1-1-10,2-2-10", beats: 5}})
	if p.see(Secondary, heard(6)); p.vetoed(p.now) {
		t.Error("by the mark of a look before the doubt")
	}
}

func TestWhatSpeaksAgainstAServer(t *testing.T) {
	for want, c := range map[string]struct {
		highest epoch
		change  func(*sight)
	}{
		"":              {epoch{2, 1, "1-1-5"}, nothing},
		"tainted":       {epoch{2, 1, "1-1-5"}, func(s *sight) { s.tail = "3 transactions" }},
		"quarantined":   {epoch{2, 1, "1-1-5"}, func(s *sight) { s.quarantined = true }},
		whyLost:         {epoch{2, 1, "1-1-5"}, func(s *sight) { s.logged = "2-2-9" }},
		"lacks the":     {epoch{2, 1, "1-1-11"}, nothing},
		"not known":     {epoch{2, 1, ""}, nothing},
		whyNotApplied:   {epoch{2, 1, "1-1-5"}, func(s *sight) { s.feed.applied = false }},
		whyTwins:        {epoch{2, 1, "1-1-5"}, func(s *sight) { s.id, s.at = 1, "1-1-10,2-2-10" }},
		"no good check": {epoch{2, 1, "1-1-5"}, func(s *sight) { s.known = false }},
		"read-only":     {epoch{2, 1, "1-1-5"}, func(s *sight) { s.readOnly = true }},
		"not been told": {epoch{3, 1, "1-1-5"}, nothing},
	} {
		p := serving(t)
		p.see(Secondary, c.change)
		p.highest = c.highest
		p.servers[Secondary].sight.top = epoch{2, 1, c.highest.gtid}
		if why := p.unfit(Secondary, p.now); !strings.Contains(why, want) || want == "" && why != "" {
			t.Errorf("%q, want %q", why, want)
		}
	}
	// Its own epoch, in which it ignores what the other one had.
	p := serving(t)
	for range 2 {
		p.see(Secondary, in(2, 2, "2-2-9"), func(s *sight) { s.quarantined = true })
	}
	if why := p.unfit(Secondary, p.now); why != "" {
		t.Errorf("in an epoch of its own: %s", why)
	}
	p = serving(t)
	p.dead(Primary)
	if why := p.unfit(Secondary, p.now); !strings.Contains(why, "since the doubt") {
		t.Errorf("seen before the doubt alone: %q", why)
	}
	if p.see(Secondary); p.unfit(Secondary, p.now) != "" {
		t.Error(p.unfit(Secondary, p.now))
	}
}

// A young look at the other server has what was written since the older one at this.
func TestOverlappingLooksAreNotCompared(t *testing.T) {
	p := serving(t)
	began := p.now.Add(time.Millisecond)
	p.now = p.now.Add(10 * time.Millisecond)
	p.see(Secondary, func(s *sight) { s.at, s.feed.received = "1-1-15,2-2-10", "1-1-15,2-2-10" })
	p.observe(result{role: Primary, health: HealthOK, number: 99, began: began, ended: p.now.Add(time.Second), sight: sight{
		known: true, id: 1, at: "1-1-12,2-2-10", top: epoch{1, 1, ""}}})
	if p.lost(Primary) {
		t.Error("what it wrote during the checks passes for lost")
	}
}

func TestOwnerIsKnownByEitherServersNumber(t *testing.T) {
	for _, c := range []struct {
		ids   [2]uint32
		owner Role
		known bool
	}{
		{[2]uint32{1, 0}, Secondary, true}, {[2]uint32{0, 1}, Primary, true}, {[2]uint32{1, 2}, Secondary, true}, {[2]uint32{2, 1}, Primary, true}, {[2]uint32{}, Primary, false},
	} {
		p := newPanel(t, memory{highest: epoch{4, 2, ""}, ids: c.ids})
		if r, known := p.owner(); r != c.owner || known != c.known {
			t.Errorf("%v: %v, %v", c.ids, r, known)
		}
	}
}

func TestNodeWhoseNamesLeadToOneServerDoesNothing(t *testing.T) {
	p := newPanel(t, memory{})
	same := func(s *sight) { s.id, s.locked = 1, true }
	if task := p.rounds(40, same, same); task != nil {
		t.Errorf("%+v", task)
	}
	p.order(Secondary, true, p.now)
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("%+v", task)
	}
	p.highest = epoch{2, 1, ""}
	if task := p.fenceLower(); task != nil {
		t.Errorf("it locks the writer under its other name: %+v", task)
	}
}
