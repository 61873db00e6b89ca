package dbfailover

import (
	"strings"
	"testing"
	"time"
)

// panel feeds a pair by hand.
type panel struct {
	*pair
	now    time.Time
	number uint64
}

func newPanel(t *testing.T, kept memory) *panel {
	times, err := Careful.timing()
	must(t, err)
	now := time.Unix(1e9, 0)
	return &panel{pair: newPair(times, Manual, kept, now), now: now}
}

// see is a good check of a server.
func (p *panel) see(r Role, change ...func(*sight)) {
	s := sight{
		known: true, id: uint32(r) + 1, at: "1-1-10,2-2-10", top: epoch{1, 1, ""}, locked: r == Secondary,
		feed: feed{receiving: true, applying: true, applied: true, received: "1-1-10,2-2-10"},
	}
	for _, f := range change {
		f(&s)
	}
	p.check(r, HealthOK, s)
}

func (p *panel) check(r Role, h Health, s sight) {
	p.now = p.now.Add(125 * time.Millisecond)
	p.number++
	p.observe(result{role: r, health: h, reason: h.String(), number: p.number, began: p.now, ended: p.now.Add(time.Millisecond), sight: s})
}

// until checks that the primary is dead, while the secondary is seen, for some rounds,
// and returns the first task.
func (p *panel) until(rounds int, change ...func(*sight)) *task {
	for range rounds {
		p.check(Primary, HealthDead, sight{})
		p.see(Secondary, change...)
		if t, _ := p.next(p.now); t != nil {
			return t
		}
	}
	return nil
}

func serving(t *testing.T) *panel {
	p := newPanel(t, memory{})
	p.see(Primary)
	p.see(Secondary)
	p.see(Primary)
	if p.state != StatePrimary || p.epoch != 1 {
		t.Fatalf("%v: %s", p.state, p.reason)
	}
	return p
}

func TestDeadPrimaryIsReplacedAfterTheHoldOff(t *testing.T) {
	p := serving(t)
	begin := p.now
	task := p.until(100)
	if task == nil || task.kind != taskMove || task.to != Secondary || task.epoch.number != 2 || p.state != StatePromoting {
		t.Fatalf("%+v in %v", task, p.state)
	}
	if waited := p.now.Sub(begin); waited < p.timing.holdOff {
		t.Errorf("replaced after %v", waited)
	}
}

func TestWhoIsUnfitIsNotPromoted(t *testing.T) {
	for why, change := range map[string]func(*sight){
		"tainted":     func(s *sight) { s.tail = "3 transactions" },
		"quarantined": func(s *sight) { s.quarantined = true },
		"position":    func(s *sight) { s.at = "2-2-10" },
		"applied":     func(s *sight) { s.feed.applied = false },
	} {
		p := serving(t)
		p.highest.gtid = "1-1-5"
		if task := p.until(200, change); task != nil || p.state != StateDown || !strings.Contains(p.reason, why) {
			t.Errorf("%s: %+v in %v: %s", why, task, p.state, p.reason)
		}
		if task := p.until(10); task == nil || task.kind != taskMove {
			t.Errorf("%s: when it is over: %+v in %v", why, task, p.state)
		}
	}
}

func TestCanariesOfOthersVetoAsLongAsTheySing(t *testing.T) {
	p := serving(t)
	beats := uint64(5)
	sing := func(s *sight) { s.beats = beats; beats++ }
	if task := p.until(100, sing); task != nil || !p.vetoed(p.now) || p.state != StateSuspect {
		t.Fatalf("%+v in %v, vetoed %v", task, p.state, p.vetoed(p.now))
	}
	silent := func(s *sight) { s.beats = beats }
	if task := p.until(100, silent); task == nil || task.kind != taskMove {
		t.Errorf("after they fell silent: %+v in %v", task, p.state)
	}
}

func TestCanaryThatArrivesLateIsNoVeto(t *testing.T) {
	p := serving(t)
	p.check(Primary, HealthDead, sight{})
	late := func(s *sight) { s.beats = 7 } // on its way when the primary died
	if task := p.until(100, late); task == nil {
		t.Errorf("in %v: %s", p.state, p.reason)
	}
}

func TestBootLockedServerIsOpenedOnProofOnly(t *testing.T) {
	locked := func(s *sight) { s.locked = true }
	alone := func(p *panel) *task {
		for range 100 {
			p.see(Primary, locked)
			p.check(Secondary, HealthDead, sight{})
			if t, _ := p.next(p.now); t != nil {
				return t
			}
		}
		return nil
	}
	if task := alone(newPanel(t, memory{})); task != nil {
		t.Errorf("without memory, alone: %+v", task)
	}
	kept := memory{highest: epoch{1, 1, ""}, ids: [2]uint32{1, 2}}
	if task := alone(newPanel(t, kept)); task == nil || task.kind != taskUnlock {
		t.Errorf("with memory: %+v", task)
	}
	kept.highest = epoch{2, 2, ""}
	if task := alone(newPanel(t, kept)); task != nil && task.kind != taskFence {
		t.Errorf("with the memory of a later epoch elsewhere: %+v", task)
	}
	both := newPanel(t, memory{})
	both.see(Secondary)
	for range 20 {
		both.see(Primary, locked)
		both.see(Secondary)
		if task, _ := both.next(both.now); task != nil {
			if task.kind != taskUnlock {
				t.Errorf("both read: %+v", task)
			}
			return
		}
	}
	t.Error("both were read and it stays locked")
}

// As after SIGCONT, where the new server opened a moment before.
func TestServerIsNotJudgedByAPositionNobodyKnows(t *testing.T) {
	p := serving(t)
	task := p.until(100)
	p.now = p.now.Add(10 * time.Millisecond)
	p.finish(task, outcome{epoch: task.epoch, ended: p.now})
	p.see(Primary)
	next, _ := p.next(p.now)
	if next == nil || next.kind != taskFence || next.judge {
		t.Fatalf("%+v, want a fence, and no tail that is all it ever wrote", next)
	}
	p.finish(next, outcome{reached: true, ended: p.now})
	// Once the position is known, it is judged after all.
	p.see(Secondary, func(s *sight) { s.top, s.locked = epoch{2, 2, "1-1-9,2-2-11"}, false })
	p.see(Primary, func(s *sight) { s.top, s.locked = epoch{2, 2, ""}, true })
	p.now = p.now.Add(time.Second) // past the pause after a failure
	if next, _ := p.next(p.now); next == nil || next.kind != taskFence || !next.judge || next.epoch.gtid != "1-1-9,2-2-11" {
		t.Errorf("%+v, want it judged by the new writer's row", next)
	}
}

// A stopped process has all its counts, and nothing of what happened meanwhile.
func TestVetoOutlivesAPause(t *testing.T) {
	p := serving(t)
	beats := uint64(5)
	sing := func(s *sight) { s.beats = beats; beats++ }
	if task := p.until(100, sing); task != nil || !p.vetoed(p.now) {
		t.Fatal("no veto")
	}
	began := p.now
	p.now = p.now.Add(30 * time.Second)
	p.number++
	p.observe(result{role: Primary, health: HealthUnknown, reason: "this process was paused", number: p.number, began: began, ended: p.now})
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("on a look that is half a minute old: %+v", task)
	}
	if task := p.until(20, sing); task != nil || !p.vetoed(p.now) {
		t.Errorf("with the others still singing: %+v", task)
	}
	if task := p.until(100, func(s *sight) { s.beats = beats }); task == nil || task.kind != taskMove {
		t.Errorf("after they fell silent: %+v in %v", task, p.state)
	}
}

// A web node that is starved of its processor for a moment has counted timeouts before, and
// a fresh look at the secondary: still what it meets next decides, not the pause.
func TestNobodyMovesAtTheEndOfAPause(t *testing.T) {
	starved := func(p *panel) *task {
		p.number++
		p.now = p.now.Add(1100 * time.Millisecond)
		p.observe(result{role: Primary, health: HealthUnknown, reason: reasonPaused, number: p.number, began: p.now.Add(-1100 * time.Millisecond), ended: p.now})
		p.see(Secondary)
		task, _ := p.next(p.now)
		return task
	}
	for _, alive := range []bool{true, false} {
		p := serving(t)
		begin := p.now
		for p.now.Sub(begin) < p.timing.holdOff-300*time.Millisecond {
			p.check(Primary, HealthDead, sight{})
			p.see(Secondary)
		}
		if task := starved(p); task != nil || p.servers[Primary].failures < p.timing.fall || p.now.Sub(p.doubted) < p.timing.holdOff {
			t.Fatalf("at the end of a pause, after %d failures: %+v", p.servers[Primary].failures, task)
		}
		if alive {
			p.see(Primary)
		} else {
			p.check(Primary, HealthDead, sight{})
		}
		if task, _ := p.next(p.now); (task == nil) != alive {
			t.Errorf("then alive: %v, and %+v in %v", alive, task, p.state)
		}
	}
}

func TestEverySwitchIsAnswered(t *testing.T) {
	p := serving(t)
	first, err := p.order(Secondary, false, p.now)
	must(t, err)
	if _, err := p.order(Secondary, true, p.now); err == nil {
		t.Error("a second order replaces the first, whose caller waits")
	}
	if task, _ := p.next(p.now); task != first {
		t.Errorf("%+v", task)
	}
}

// Primary and Secondary were exchanged in the configuration, the file on disk has the old
// ids, and the other server is away.
func TestExchangedNamesDoNotFenceTheWriter(t *testing.T) {
	p := newPanel(t, memory{highest: epoch{1, 1, ""}, ids: [2]uint32{1, 2}})
	for range 40 {
		p.see(Secondary, func(s *sight) { s.id, s.top, s.locked = 1, epoch{1, 1, ""}, false })
		p.check(Primary, HealthDead, sight{})
		if task, _ := p.next(p.now); task != nil {
			t.Fatalf("the only writer, open in its own epoch: %v on the %v in %v", task.kind, task.to, p.state)
		}
	}
	if p.state != StateSecondary {
		t.Errorf("%v: %s", p.state, p.reason)
	}
}
