package dbfailover

import (
	"math/rand/v2"
	"testing"
	"time"
)

// schedule plays checks of two servers with random health against the machine
// and keeps its own books, from which it judges every transition.
type schedule struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	m    *machine
	now  time.Time

	fate [2]Health // what each server's checks say at the moment
	next [2]time.Time

	deadInARow  [2]int
	badInARow   [2]int // dead or refusing
	lastOK      [2]result
	undecidedAt time.Time
	ordered     bool
	active      Role // as the transitions tell it
	epoch       uint64
}

var legal = map[[2]State]bool{
	{StateInit, StatePrimary}: true, {StateInit, StateSecondary}: true, {StateInit, StateDown}: true,
	{StatePrimary, StateSuspect}: true, {StateSecondary, StateSuspect}: true,
	{StateSuspect, StatePrimary}: true, {StateSuspect, StateSecondary}: true, {StateSuspect, StateDown}: true,
	{StateDown, StatePrimary}: true, {StateDown, StateSecondary}: true, {StateDown, StateSuspect}: true,
}

func TestMachineKeepsItsRulesInThousandsOfSchedules(t *testing.T) {
	for _, timers := range []Timers{Careful, Fast} {
		times, err := timers.timing()
		if err != nil {
			t.Fatal(err)
		}
		switches := 0
		for seed := range uint64(3000) {
			switches += play(t, times, seed)
		}
		// A schedule generator that never fails a server would prove nothing.
		if switches < 1000 {
			t.Errorf("%v: only %d switches in all schedules", timers, switches)
		}
	}
}

func play(t *testing.T, times timing, seed uint64) (switches int) {
	t.Helper()
	start := time.Unix(1e9, 0)
	s := &schedule{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), m: newMachine(times, start),
		now: start, next: [2]time.Time{start, start}, undecidedAt: start, epoch: 1,
		fate: [2]Health{HealthOK, HealthOK},
	}
	for range 150 {
		switch s.rng.IntN(12) {
		case 0:
			s.fate[s.rng.IntN(2)] = Health(s.rng.IntN(4))
		case 1:
			s.order(Role(s.rng.IntN(2)))
		default:
			s.check()
		}
	}
	s.settle()
	return int(s.m.epoch - 1)
}

// check lets the server whose turn it is be checked once.
func (s *schedule) check() {
	role := Primary
	if s.next[Secondary].Before(s.next[Primary]) {
		role = Secondary
	}
	r := result{role: role, health: s.fate[role], reason: "as drawn", began: s.next[role]}
	r.ended = r.began.Add(time.Millisecond)
	if r.health == HealthDead && s.rng.IntN(2) == 0 {
		r.ended = r.began.Add(s.m.timing.timeout)
	}
	if r.ended.Before(s.now) {
		r.ended = s.now // results arrive in order of time
	}
	s.now = r.ended
	s.keepBooks(r)
	s.judge(s.m.observe(r))
	s.next[role] = r.ended.Add(s.m.timing.pause(s.m.state, s.m.servers[role]))
}

func (s *schedule) keepBooks(r result) {
	switch r.health {
	case HealthDead:
		s.deadInARow[r.role]++
		s.badInARow[r.role]++
	case HealthRefusing:
		s.deadInARow[r.role] = 0
		s.badInARow[r.role]++
	case HealthOK:
		s.deadInARow[r.role], s.badInARow[r.role] = 0, 0
	}
	if r.health == HealthOK {
		s.lastOK[r.role] = r
	}
}

func (s *schedule) order(to Role) {
	before := s.m.state
	changes, ok := s.m.order(to, s.now)
	if !ok && (len(changes) > 0 || s.m.state != before) {
		s.fail("a refused order changed something")
	}
	if ok && (s.m.active != to || s.m.state != home(to)) {
		s.fail("an order was accepted and not carried out")
	}
	s.ordered = true
	s.judge(changes)
	s.ordered = false
}

func (s *schedule) judge(changes []Transition) {
	for _, c := range changes {
		if c.Reason == "" || (!s.ordered && !legal[[2]State{c.From, c.To}]) {
			s.fail("%v -> %v (%q)", c.From, c.To, c.Reason)
		}
		if c.To == StateSecondary && c.From.undecided() && !s.ordered && c.Reason != "secondary: as drawn" {
			s.judgePromotion()
		}
		if c.To == StateDown && c.Active == Primary && s.badInARow[Secondary] < s.m.timing.fall &&
			c.At.Sub(s.undecidedAt) < s.m.timing.doubt {
			s.fail("gave up after %d bad checks of the secondary", s.badInARow[Secondary])
		}
		if c.To.undecided() {
			s.undecidedAt = c.At
		}
		moved := c.Active != s.active
		if moved != (c.Epoch == s.epoch+1) || (!moved && c.Epoch != s.epoch) {
			s.fail("%v -> %v: epoch %d after %d", s.active, c.Active, c.Epoch, s.epoch)
		}
		if moved && c.Active == Primary && !s.ordered {
			s.fail("went back to the primary without an order")
		}
		s.active, s.epoch = c.Active, c.Epoch
	}
	if s.m.state.serving() && s.m.state != home(s.m.active) {
		s.fail("in %v with the %v active", s.m.state, s.m.active)
	}
	if s.m.state.serving() && s.deadInARow[s.m.active] > 0 && !s.ordered && s.m.servers[s.m.active].health == HealthDead {
		s.fail("serving from a server whose last check failed")
	}
}

// judgePromotion asks for the three things a switch needs.
func (s *schedule) judgePromotion() {
	if s.deadInARow[Primary] < s.m.timing.fall {
		s.fail("switched after %d failed checks", s.deadInARow[Primary])
	}
	if s.now.Sub(s.undecidedAt) < s.m.timing.holdOff {
		s.fail("switched %v after the first doubt", s.now.Sub(s.undecidedAt))
	}
	if s.lastOK[Secondary].began.Before(s.undecidedAt) || s.m.servers[Secondary].health != HealthOK {
		s.fail("switched on old news of the secondary")
	}
}

// settle lets the servers be, and asks that the machine ends where it should.
func (s *schedule) settle() {
	s.fate = [2]Health{HealthDead, HealthOK}
	was := s.m.active
	for range 100 {
		s.check()
	}
	// Nobody returns from the secondary by himself, and here nobody has to.
	if s.m.state != StateSecondary || (was == Secondary && s.m.active != Secondary) {
		s.fail("with the primary dead and the secondary well for long, the state is %v", s.m.state)
	}
	s.fate = [2]Health{HealthOK, HealthDead}
	for range 100 {
		s.check()
	}
	if s.m.state != StateDown || s.m.active != Secondary {
		s.fail("with the secondary dead, the state is %v and the %v active", s.m.state, s.m.active)
	}
}

func (s *schedule) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, epoch %d: "+format, append([]any{s.seed, s.m.epoch}, args...)...)
}

func TestUnknownHealthNeitherCountsNorResets(t *testing.T) {
	times, err := Fast.timing()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	m := newMachine(times, now)
	step := func(role Role, h Health) {
		now = now.Add(time.Second)
		m.observe(result{role: role, health: h, reason: h.String(), began: now, ended: now})
	}
	step(Primary, HealthOK)
	step(Primary, HealthDead)
	for range 100 {
		step(Primary, HealthUnknown)
		step(Secondary, HealthOK)
	}
	if m.state != StateSuspect || m.servers[Primary].failures != 1 {
		t.Fatalf("state %v after %d failures", m.state, m.servers[Primary].failures)
	}
	step(Primary, HealthDead)
	step(Secondary, HealthOK)
	if m.state != StateSecondary {
		t.Fatalf("state %v after the second failed check", m.state)
	}
}

func TestSilentServerIsAskedLessOften(t *testing.T) {
	for _, timers := range []Timers{Careful, Fast} {
		times, err := timers.timing()
		if err != nil {
			t.Fatal(err)
		}
		at := func(failures int, reason string) time.Duration {
			return times.pause(StatePrimary, checked{failures: failures, reason: reason})
		}
		if got := at(times.fall, reasonTimeout); got != times.interval {
			t.Errorf("%v: %v before the decision", timers, got)
		}
		if got := at(times.fall+100, reasonTimeout); got != slowest {
			t.Errorf("%v: %v after 100 timeouts, want %v", timers, got, slowest)
		}
		if _, reason := judge(answered(1045)); at(0, reason) != slowest {
			t.Errorf("%v: a wrong password is tried again after %v: accounts get locked", timers, at(0, reason))
		}
		if got := at(100, "connection refused"); got != times.interval {
			t.Errorf("%v: %v after 100 refusals: a restart is seen late", timers, got)
		}
	}
}

// The same for independent servers as TestNobodyMovesAtTheEndOfAPause.
func TestMachineDoesNotMoveAtTheEndOfAPause(t *testing.T) {
	times, err := Careful.timing()
	must(t, err)
	now := time.Unix(1e9, 0)
	m := newMachine(times, now)
	check := func(r Role, h Health, reason string) {
		now = now.Add(125 * time.Millisecond)
		m.observe(result{role: r, health: h, reason: reason, began: now, ended: now.Add(time.Millisecond)})
	}
	check(Primary, HealthOK, "ok")
	for range 7 { // 1.75 s, a little less than the hold-off
		check(Primary, HealthDead, reasonTimeout)
		check(Secondary, HealthOK, "ok")
	}
	now = now.Add(time.Second)
	check(Primary, HealthUnknown, reasonPaused)
	check(Secondary, HealthOK, "ok")
	if m.state != StateSuspect || m.servers[Primary].failures < times.fall {
		t.Fatalf("%v after %d failures: %s", m.state, m.servers[Primary].failures, m.reason)
	}
	if check(Primary, HealthDead, reasonTimeout); m.state != StateSecondary {
		t.Errorf("dead all the same: %v", m.state)
	}
}
