package dbfailover

import (
	"testing"
	"time"
)

// rounds looks at both servers for a while and returns the first task.
func (p *panel) rounds(n int, primary, secondary func(*sight)) *task {
	for range n {
		p.see(Primary, primary)
		p.see(Secondary, secondary)
		if t, _ := p.next(p.now); t != nil {
			return t
		}
	}
	return nil
}

func nothing(*sight) {}

// in sets the top row.
func in(number uint64, server uint32, gtid string) func(*sight) {
	return func(s *sight) { s.top = epoch{number, server, gtid} }
}

func all(changes ...func(*sight)) func(*sight) {
	return func(s *sight) {
		for _, f := range changes {
			f(s)
		}
	}
}

func isLocked(s *sight) { s.locked = true }
func isOpen(s *sight)   { s.locked = false }

// moved is server 2 in epoch 2, opened without server 1, which has come back and been
// fenced: what remains is to lift the quarantine.
func moved() (old, writer func(*sight)) {
	old = all(in(2, 2, "1-1-10,2-2-11"), isLocked, func(s *sight) { s.judged = 2 })
	writer = all(in(2, 2, "1-1-10,2-2-11"), isOpen, func(s *sight) { s.quarantined, s.at = true, "1-1-10,2-2-15" })
	return old, writer
}

func TestQuarantineIsLiftedWhenNothingCanBeMixedInAnyMore(t *testing.T) {
	old, writer := moved()
	if task := newPanel(t, memory{}).rounds(20, old, writer); task == nil || task.kind != taskLift || task.to != Secondary || task.epoch.number != 2 {
		t.Fatalf("%+v", task)
	}
	for what, change := range map[string]func(old, writer *sight){
		"the old one is tainted":                   func(old, _ *sight) { old.tail = "3 transactions" },
		"it is in quarantine":                      func(old, _ *sight) { old.quarantined = true },
		"what it wrote has not been passed":        func(old, _ *sight) { old.at = "1-1-12,2-2-10" },
		"of that another server has written last":  func(old, _ *sight) { old.at = "1-1-10,2-2-10,3-1-7" },
		"its position cannot be read":              func(old, _ *sight) { old.at = "what" },
		"the writer's position cannot be read":     func(_, writer *sight) { writer.at = "what" },
		"the writer is in no quarantine":           func(_, writer *sight) { writer.quarantined = false },
		"it is open (and is fenced before)":        func(old, _ *sight) { old.locked = false },
		"it has not heard of the epoch (the same)": func(old, _ *sight) { old.top = epoch{1, 1, ""} },
	} {
		var o, w sight
		p := newPanel(t, memory{})
		task := p.rounds(20, func(s *sight) { old(s); change(s, &w) }, func(s *sight) { writer(s); change(&o, s) })
		if task != nil && task.kind == taskLift || p.liftQuarantine(Secondary) != nil {
			t.Errorf("%s: lifted", what)
		}
	}
}

// What keeps servers in order comes one after the other; each of these is no moment for it.
func TestTasksAreDoneInTheirOrder(t *testing.T) {
	p := newPanel(t, memory{})
	old, writer := moved()
	if lift := p.rounds(20, old, writer); lift == nil || lift.kind != taskLift {
		t.Fatalf("%+v", lift)
	}
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("the hand has one already, and %+v", task)
	}
	failed := p.now
	p.finish(p.task, outcome{err: errThreads, reached: true, ended: failed})
	p.see(Primary, old)
	p.see(Secondary, writer)
	p.now = failed.Add(p.timing.cool - time.Millisecond)
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("in the pause after a failure: %+v", task)
	}
	// An operator's wish waits for nothing.
	wish, err := p.order(Primary, true, p.now)
	must(t, err)
	if task, _ := p.next(p.now); task != wish {
		t.Errorf("%+v, not what was ordered", task)
	}
}

func TestServerThatWasLockedIsOpenedAfterAMoment(t *testing.T) {
	p := newPanel(t, memory{})
	p.see(Secondary)
	p.see(Primary, isLocked)
	since := p.now
	unlocks := func() bool {
		task, _ := p.next(p.now)
		if task != nil && task.kind != taskUnlock {
			t.Fatalf("%+v", task)
		}
		return task != nil
	}
	for p.now.Sub(since) < p.timing.settle-250*time.Millisecond {
		if p.see(Primary, isLocked); unlocks() {
			t.Fatalf("after %v: it may be somebody's move", p.now.Sub(since))
		}
	}
	// It dies, and comes back: a new life, and a new moment.
	p.check(Primary, HealthDead, sight{})
	p.see(Secondary)
	p.now = p.now.Add(p.timing.settle)
	p.see(Secondary)
	if p.see(Primary, isLocked); unlocks() {
		t.Error("at once after its return")
	}
	// Somebody opens it, and locks it for a move.
	p.see(Primary)
	p.see(Secondary)
	p.now = p.now.Add(p.timing.settle)
	p.see(Secondary)
	if p.see(Primary, isLocked); unlocks() {
		t.Error("at once after it was locked again")
	}
	p.now = p.now.Add(p.timing.settle)
	p.see(Secondary)
	if p.see(Primary, isLocked); !unlocks() {
		t.Error("not at all")
	}
}

// A promotion opens it. If it is locked a moment later, that is somebody's move.
func TestServerThatWasJustOpenedIsNotTakenForLockedSinceLong(t *testing.T) {
	p := serving(t)
	p.rounds(20, nothing, nothing)
	_, err := p.order(Secondary, false, p.now)
	must(t, err)
	task, _ := p.next(p.now)
	p.finish(task, outcome{epoch: epoch{2, 2, "1-1-10,2-2-11"}, ended: p.now.Add(time.Millisecond)})
	if !p.vouched {
		t.Error("an epoch that this node has begun is not certain")
	}
	p.see(Primary, in(2, 2, "1-1-10"), isLocked)
	p.see(Secondary, in(2, 2, "1-1-10,2-2-11"), isLocked)
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("%+v", task)
	}
}

func TestServerThatLostWritesIsNotOpened(t *testing.T) {
	lost := all(isLocked, func(s *sight) { s.logged = "1-1-5,2-2-10" })
	tainted := func(s *sight) { s.tail = "so that it cannot take over" }
	if task := newPanel(t, memory{}).rounds(40, lost, tainted); task != nil {
		t.Errorf("%v of the %v", task.kind, task.to)
	}
	// Nor does it take up an epoch that was recorded for it elsewhere.
	recorded := all(in(2, 1, "1-1-10"), isLocked, tainted)
	if task := newPanel(t, memory{}).rounds(40, lost, recorded); task != nil {
		t.Errorf("%v of the %v", task.kind, task.to)
	}
}

// An epoch was recorded for server 2 on server 1, which was fenced at 1-1-20.
func TestServerTakesUpItsEpochOnceItIsThere(t *testing.T) {
	fenced := all(in(2, 2, "1-1-20"), isLocked)
	there := func(s *sight) { s.at = "1-1-20,2-2-10" }
	p := newPanel(t, memory{})
	if task := p.rounds(3, fenced, nothing); task != nil {
		t.Fatalf("before it is there: %+v", task)
	}
	if task := p.rounds(3, fenced, there); task == nil || task.kind != taskOpen || task.to != Secondary || task.epoch != (epoch{2, 2, "1-1-20"}) {
		t.Errorf("%+v", task)
	}
	if task := newPanel(t, memory{}).rounds(20, fenced, all(there, func(s *sight) { s.tail = "3 transactions" })); task != nil && task.kind == taskOpen {
		t.Errorf("with writes of its own: %+v", task)
	}
	// It is not there for long: the one that was fenced for it goes on.
	p = newPanel(t, memory{})
	begin := p.now
	task := p.rounds(100, fenced, nothing)
	if task == nil || task.kind != taskMove || task.to != Primary || !task.planned || task.epoch.number != 3 {
		t.Fatalf("%+v", task)
	}
	if waited := p.now.Sub(begin); waited < p.timing.doubt {
		t.Errorf("after %v", waited)
	}
	// If it can be told to.
	p = newPanel(t, memory{})
	if task := p.rounds(100, all(fenced, func(s *sight) { s.tail = "3 transactions" }), nothing); task != nil {
		t.Errorf("onto a tainted one: %+v", task)
	}
}

// A server that stands at the gate goes on once it has been told of the epoch. If that does
// not help, the gate has no epoch, and a later one opens it.
func TestGateIsPassedOrOutdone(t *testing.T) {
	gated := func(s *sight) { s.feed.gated, s.feed.errno, s.feed.applying = true, errGate, false }
	p := serving(t)
	resume := func() *task {
		task := p.rounds(20, nothing, gated)
		if task == nil || task.kind != taskResume || task.to != Secondary {
			t.Fatalf("%+v", task)
		}
		p.finish(task, outcome{reached: true, ended: p.now})
		return task
	}
	for range fruitless {
		resume()
	}
	p.now = p.now.Add(p.timing.cool)
	if task := p.rounds(1, isLocked, gated); task != nil {
		t.Errorf("the writer is locked: %+v", task)
	}
	p.rounds(2, nothing, nothing) // it goes on, and stops again
	for range fruitless {
		resume()
	}
	p.see(Primary)
	p.check(Secondary, HealthRefusing, sight{})
	if task, _ := p.next(p.now.Add(time.Second)); task != nil {
		t.Errorf("for a server that is not seen: %+v", task)
	}
	task := p.rounds(20, nothing, gated)
	if task == nil || task.kind != taskFence || task.to != Secondary || task.judge || task.epoch != (epoch{3, 1, "1-1-10,2-2-10"}) {
		t.Fatalf("%+v, want the next epoch of the same server, where that stands", task)
	}
	p.finish(task, outcome{reached: true, ended: p.now})
	if task := p.rounds(20, nothing, all(gated, in(3, 1, "1-1-10,2-2-10"))); task == nil || task.kind != taskOpen || task.to != Primary {
		t.Fatalf("%+v, want it opened in that epoch", task)
	}
	p.finish(p.task, outcome{epoch: epoch{3, 1, "1-1-10,2-2-10"}, ended: p.now})
	if task := p.rounds(20, in(3, 1, "1-1-10,2-2-10"), all(gated, in(3, 1, "1-1-10,2-2-10"))); task == nil || task.kind != taskResume {
		t.Errorf("%+v, want it resumed", task)
	}
	// The writer stands at the other one's gate, which has no epoch: the other one is told of
	// the next, and has to be there for that.
	p = serving(t)
	for range fruitless {
		if task := p.rounds(20, gated, nothing); task == nil || task.kind != taskResume || task.to != Primary {
			t.Fatalf("%+v", task)
		}
		p.finish(p.task, outcome{reached: true, ended: p.now})
	}
	p.now = p.now.Add(p.timing.cool)
	p.see(Primary, gated)
	p.dead(Secondary)
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("the other one is dead: %+v", task)
	}
	if task := p.rounds(20, gated, nothing); task == nil || task.kind != taskFence || task.to != Secondary {
		t.Fatalf("%+v", task)
	}
	p.finish(p.task, outcome{reached: true, ended: p.now})
	second := in(3, 1, "1-1-10,2-2-10")
	if task := p.rounds(20, all(gated, second), second); task == nil || task.kind != taskResume || task.to != Primary {
		t.Errorf("%+v, want it resumed, as often as before", task)
	}
	// One that has not been told yet is told first; the owner of an epoch that it has not
	// reached stays where it is.
	p = newPanel(t, memory{})
	if task := p.rounds(3, all(in(2, 2, "1-1-20"), isLocked), gated); task != nil {
		t.Errorf("before it knows the epoch: %+v", task)
	}
}

func TestWhenSyncedGoesHomeAfterAWhileInStep(t *testing.T) {
	away := all(in(2, 2, "1-1-10,2-2-11"), isLocked, func(s *sight) { s.judged, s.at = 2, "1-1-10,2-2-15" })
	writer := all(in(2, 2, "1-1-10,2-2-11"), isOpen, func(s *sight) { s.at = "1-1-10,2-2-15" })
	begin := func(f Failback) *panel {
		p := newPanel(t, memory{})
		p.failback = f
		return p
	}
	stable := func(p *panel) int { return int(p.timing.stable / (250 * time.Millisecond)) }
	p := begin(WhenSynced)
	if task := p.rounds(stable(p)-5, away, writer); task != nil {
		t.Fatalf("too early: %+v", task)
	}
	p.rounds(1, away, all(writer, func(s *sight) { s.feed.lag = 5 })) // from the start, then
	if task := p.rounds(stable(p)-1, away, writer); task != nil {
		t.Fatalf("after an interruption: %+v", task)
	}
	if task := p.rounds(5, away, writer); task == nil || task.kind != taskMove || task.to != Primary || !task.planned || task.epoch.number != 3 {
		t.Fatalf("%+v in %v", task, p.state)
	}
	for what, c := range map[string][2]func(*sight){
		"the primary lags":                {func(s *sight) { s.feed.lag = 2 }, nothing},
		"the secondary lags":              {nothing, func(s *sight) { s.feed.lag = 2 }},
		"the primary does not receive":    {func(s *sight) { s.feed.receiving = false }, nothing},
		"the secondary does not apply":    {nothing, func(s *sight) { s.feed.applying = false }},
		"the primary is in quarantine":    {func(s *sight) { s.quarantined = true }, nothing},
		"the secondary is in quarantine":  {nothing, func(s *sight) { s.quarantined = true }},
		"the same, and not to be lifted":  {func(s *sight) { s.at = "1-1-12,2-2-15" }, func(s *sight) { s.quarantined = true }},
		"the primary is tainted":          {func(s *sight) { s.tail = "3 transactions" }, nothing},
		"the primary lacks the position":  {func(s *sight) { s.at = "1-1-10,2-2-10" }, nothing},
		"the secondary is locked":         {nothing, isLocked},
		"the primary is open":             {isOpen, nothing},
		"the secondary is in an old life": {nothing, func(s *sight) { s.known = false }},
	} {
		p := begin(WhenSynced)
		for range 2 * stable(p) {
			p.see(Primary, away, c[0])
			p.see(Secondary, writer, c[1])
			p.beat(Primary, 1, true, false, p.now, p.now)
			if task, _ := p.next(p.now); task != nil {
				if task.kind == taskMove && task.to == Primary {
					t.Errorf("%s: %+v", what, task)
				}
				p.finish(task, outcome{reached: true, ended: p.now})
			}
		}
	}
	// What is known of them is not enough in doubt.
	p = begin(WhenSynced)
	p.rounds(stable(p), away, writer)
	p.state = StateDown
	if task := p.failbackTo(Secondary, p.now.Add(time.Second)); task != nil || !p.stable.IsZero() {
		t.Errorf("%+v", task)
	}
	p = begin(Manual)
	if task := p.rounds(2*stable(p), away, writer); task != nil {
		t.Errorf("by itself: %+v", task)
	}
}
