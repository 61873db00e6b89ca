package dbfailover

import (
	"testing"
	"time"
)

// Server 1 came back as an old copy while server 2 was away, and a human took it with Force:
// epoch 2 began at 1-1-51, rows up to 1-1-60 were acknowledged. Server 2 returns. It has
// 1-1-100 of the time before, so by numbers it "covers" the epoch's position, though it was
// never there in epoch 2. It must not be promoted by itself over the human's decision.
func TestForceIsNotTakenBackByItself(t *testing.T) {
	p := newPanel(t, memory{highest: epoch{2, 1, "1-1-51,2-2-10"}, ids: [2]uint32{1, 2}})
	one := func(s *sight) {
		s.top, s.at, s.locked = epoch{2, 1, "1-1-51,2-2-10"}, "1-1-60,2-2-10", false
		s.feed.receiving, s.feed.received = false, "2-2-10"
	}
	for range 10 {
		p.see(Primary, one)
		p.check(Secondary, HealthDead, sight{})
		p.now = p.now.Add(300 * time.Millisecond)
	}
	if p.state != StatePrimary {
		t.Fatalf("%v: %s", p.state, p.reason)
	}
	known := epoch{1, 1, ""}
	for range 100 {
		p.see(Secondary, func(s *sight) {
			s.top, s.at, s.feed.received, s.feed.receiving = known, "1-1-100,2-2-10", "1-1-100", false
		})
		p.see(Primary, one)
		task, _ := p.next(p.now)
		if task == nil {
			continue
		}
		if task.kind == taskFence {
			known = task.epoch
			p.finish(task, outcome{reached: true, ended: p.now})
			continue
		}
		t.Fatalf("server 2, which was not there in epoch 2, becomes its writer by itself (%s); what was acknowledged in epoch 2 is left on server 1, with the advice to set that up anew", task.reason)
	}
}
