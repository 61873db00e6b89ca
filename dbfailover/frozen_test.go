package dbfailover

import (
	"testing"
	"time"
)

// A node whose fences failed three times (no room for the row) is FROZEN. Another web node fences the server a moment later. The first one sees a
// server that is locked and knows the epoch, and must go back to work.
func TestFrozenEndsWhenAnotherNodeHasFenced(t *testing.T) {
	p := serving(t)
	own := epoch{2, 2, "1-1-10,2-2-11"}
	up := func(s *sight) { s.top, s.locked = own, false }
	open := func(s *sight) { s.locked = false } // epoch 1, still open
	for p.state != StateFrozen {
		p.see(Secondary, up)
		p.see(Primary, open)
		task, _ := p.next(p.now)
		if task == nil {
			p.now = p.now.Add(time.Second)
			continue
		}
		if task.kind != taskFence {
			t.Fatalf("task %v", task.kind)
		}
		p.finish(task, outcome{err: refusal(1114), reached: true, ended: p.now})
	}
	// Another node's fence worked: locked, epoch 2 recorded, judged.
	done := func(s *sight) { s.top, s.locked, s.judged = epoch{2, 2, "1-1-10,2-2-10"}, true, 2 }
	for range 400 {
		p.see(Secondary, up)
		p.see(Primary, done)
		if task, _ := p.next(p.now); task != nil {
			p.finish(task, outcome{reached: true, ended: p.now})
		}
		p.now = p.now.Add(100 * time.Millisecond)
	}
	if p.state != StateSecondary {
		t.Errorf("still %v after %v: %s", p.state, 400*350*time.Millisecond, p.reason)
	}
}

func TestOneEpochOnTwoServersFreezes(t *testing.T) {
	p := serving(t)
	p.see(Primary, func(s *sight) { s.top = epoch{2, 1, ""} })
	turn := p.turn
	p.see(Secondary, func(s *sight) { s.top, s.locked = epoch{2, 2, ""}, false })
	if p.state != StateFrozen || p.turn == turn {
		t.Fatalf("%v: %s, and connections stay", p.state, p.reason)
	}
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("it does something about it: %+v", task)
	}
	if _, err := p.order(Primary, false, p.now); err == nil {
		t.Error("an operator decides without Force")
	}
	wish, err := p.order(Primary, true, p.now)
	must(t, err)
	if task, _ := p.next(p.now); task != wish || task.epoch.number != 4 {
		t.Errorf("with Force: %+v", task)
	}
}

func TestLowerServerThatCannotBeLockedFreezes(t *testing.T) {
	p := serving(t)
	open := func(s *sight) { s.locked = false } // with the lower epoch, and open
	for range frozenAfter {
		p.see(Primary)
		p.see(Secondary, open)
		p.now = p.now.Add(time.Second) // past the pause after a failure
		task, _ := p.next(p.now)
		if task == nil || task.kind != taskFence || task.to != Secondary {
			t.Fatalf("%+v in %v", task, p.state)
		}
		p.finish(task, outcome{err: refusal(1114), reached: true, ended: p.now})
	}
	if p.state != StateFrozen {
		t.Fatalf("%v: %s", p.state, p.reason)
	}
	p.see(Secondary, open)
	p.now = p.now.Add(time.Second) // past the pause after a failure
	task, _ := p.next(p.now)
	if task == nil || task.kind != taskFence {
		t.Fatalf("it gave up: %+v", task)
	}
	p.finish(task, outcome{reached: true, ended: p.now})
	p.see(Secondary)
	p.see(Primary)
	if p.state != StatePrimary {
		t.Errorf("%v: %s", p.state, p.reason)
	}
}

func TestFrozenEndsWhenTheLowerServerIsGone(t *testing.T) {
	p := serving(t)
	for range frozenAfter {
		p.see(Primary)
		p.see(Secondary, func(s *sight) { s.locked = false })
		p.now = p.now.Add(time.Second) // past the pause after a failure
		task, _ := p.next(p.now)
		p.finish(task, outcome{err: refusal(1114), reached: true, ended: p.now})
	}
	if p.state != StateFrozen {
		t.Fatalf("%v", p.state)
	}
	for range 5 {
		p.see(Primary)
		p.check(Secondary, HealthDead, sight{})
		if task, _ := p.next(p.now); task != nil {
			p.finish(task, outcome{reached: true, ended: p.now})
		}
	}
	if p.state != StatePrimary {
		t.Errorf("the writer is well and the other one off: %v (%s)", p.state, p.reason)
	}
}

// Its disk is full, which is why it was left: it stores no row, and lets nobody in.
func TestLowerServerThatIsLockedDoesNotFreeze(t *testing.T) {
	for _, refused := range []error{refusal(1114), refusal(30003)} {
		p := newPanel(t, memory{})
		for range 10 {
			p.see(Secondary, func(s *sight) { s.top, s.locked = epoch{2, 2, "1-1-10,2-2-10"}, false })
			p.see(Primary, func(s *sight) { s.locked = true })
			p.now = p.now.Add(time.Second) // past the pause after a failure
			if task, _ := p.next(p.now); task != nil && task.kind == taskFence {
				p.finish(task, outcome{err: refused, reached: true, ended: p.now})
			} else if task != nil {
				p.finish(task, outcome{reached: true, ended: p.now})
			}
		}
		if p.state != StateSecondary {
			t.Errorf("%v: the healthy writer is not used: %v (%s)", refused, p.state, p.reason)
		}
	}
}

// A check that was under way during the move tells of yesterday's conflict.
func TestConflictThatALaterEpochDecidedDoesNotFreeze(t *testing.T) {
	p := serving(t)
	conflict := func(r Role) { p.see(r, func(s *sight) { s.top = epoch{5, s.id, ""} }) }
	conflict(Primary)
	conflict(Secondary)
	if p.state != StateFrozen {
		t.Fatalf("%v", p.state)
	}
	if _, err := p.order(Secondary, true, p.now); err != nil {
		t.Fatal(err)
	}
	task, _ := p.next(p.now)
	task.epoch.gtid = "1-1-10,2-2-11"
	p.finish(task, outcome{epoch: task.epoch, ended: p.now.Add(time.Second)})
	conflict(Secondary)
	if p.state != StateSecondary {
		t.Errorf("%v: %s", p.state, p.reason)
	}
}
