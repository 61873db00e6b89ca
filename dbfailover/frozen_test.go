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
