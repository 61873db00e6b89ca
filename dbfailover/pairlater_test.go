package dbfailover

import (
	"testing"
	"time"
)

// What a task was begun for may have come about, or stopped to be true, when its turn comes.

// Epoch 2 was recorded for server 2, which refuses to be opened (its disk is full), and server 1
// has a tail. When there is room again, server 2 is all there is.
func TestServerThatRefusedLastinglyIsTriedAgainIfThereIsNoOther(t *testing.T) {
	tainted := all(in(2, 2, ""), isLocked, func(s *sight) { s.tail, s.quarantined = "3 transactions", true })
	p := newPanel(t, memory{})
	for tries := range 2 * lasting {
		task := p.rounds(300, tainted, isLocked)
		if task == nil || task.kind != taskOpen || task.to != Secondary {
			t.Fatalf("try %d: %+v", tries, task)
		}
		p.finish(task, outcome{err: refusal(errDiskFull), reached: true, ended: p.now})
	}
}

// Epoch 2 was recorded for server 2. Both disks are full; each server is asked again and again.
func TestServersThatBothRefuseHaveTheirTurns(t *testing.T) {
	p := newPanel(t, memory{})
	fenced, tried := all(in(2, 2, "1-1-10"), isLocked), map[Role]int{}
	for range 600 {
		task := p.rounds(1, fenced, isLocked)
		if task == nil {
			continue
		}
		tried[task.to]++
		if p.finish(task, outcome{err: refusal(errDiskFull), reached: true, ended: p.now}); tried[Primary] > 3 && tried[Secondary] > 6 {
			return
		}
	}
	t.Errorf("%v", tried)
}

// The old server was passed by because killed threads did not end: what they still wrote is in
// nobody's tail before somebody has looked.
func TestServerIsNotPromotedBeforeItWasJudged(t *testing.T) {
	old, writer := moved()
	disowned := all(old, in(2, 2, ""), func(s *sight) { s.judged = 0 })
	p := newPanel(t, memory{})
	task := p.rounds(20, disowned, writer)
	if task == nil || task.kind != taskFence || task.to != Primary || !task.judge {
		t.Fatalf("%+v", task)
	}
	if why := p.unfit(Primary, p.now); why != whyUnjudged {
		t.Errorf("it may be promoted: %q", why)
	}
	if _, err := p.order(Primary, false, p.now); err == nil {
		t.Error("an operator may promote it without Force")
	}
	if p.liftQuarantine(Secondary) != nil {
		t.Error("the writer takes its rows again, and then they count as its tail")
	}
	p.finish(task, outcome{reached: true, ended: p.now})
	judged := all(disowned, func(s *sight) { s.judged = 2 })
	if task := p.rounds(20, judged, writer); task == nil || task.kind != taskLift {
		t.Errorf("%+v", task)
	}
}

// Somebody orders what is just being done.
func TestOrderThatHasComeAboutIsAnsweredAndNotDone(t *testing.T) {
	p := serving(t)
	task, err := p.order(Secondary, false, p.now)
	must(t, err)
	p.next(p.now)
	wish, err := p.order(Secondary, false, p.now)
	must(t, err)
	p.finish(task, outcome{epoch: epoch{2, 2, "1-1-10,2-2-11"}, ended: p.now.Add(time.Millisecond)})
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("%+v", task)
	}
	select {
	case err := <-wish.answer:
		must(t, err)
	default:
		t.Error("who ordered it gets no answer")
	}
}

// A Switch that was given up has left the old server open. Nobody has seen that yet: no reason
// to fail the application meanwhile.
func TestSwitchThatWasGivenUpIsNotDown(t *testing.T) {
	p := serving(t)
	wish, err := p.order(Secondary, false, p.now)
	must(t, err)
	if task, _ := p.next(p.now); task != wish {
		t.Fatalf("%+v", task)
	}
	p.now = p.now.Add(2 * p.timing.doubt) // it waited for replication
	p.finish(wish, outcome{err: errBehind, reached: true, ended: p.now})
	if p.trials.of(taskMove, Secondary) > 0 {
		t.Error("it counts against the next failover, too")
	}
	for p.state != StatePrimary {
		if p.see(Secondary); p.state == StateDown {
			t.Fatal(p.reason)
		}
		p.see(Primary)
	}
}

// The writer in quarantine died before anybody had judged the other one, which took over again by
// a position from before: the tail is in force, and who passed it over has to be told.
func TestWriterThatPassedOverAnUnjudgedTailIsTainted(t *testing.T) {
	again := all(in(3, 1, "1-1-20,2-2-11"), isOpen)
	passed := all(in(2, 2, "1-1-10,2-2-11"), isLocked, func(s *sight) { s.quarantined = true })
	p := newPanel(t, memory{})
	task := p.rounds(20, again, passed)
	if task == nil || task.kind != taskFence || task.to != Secondary || !task.passed {
		t.Fatalf("%+v", task)
	}
	if found := task.taint(""); found != tailPassed {
		t.Errorf("tail %q", found)
	}
	judged := all(again, func(s *sight) { s.judged = 2 })
	if task := newPanel(t, memory{}).rounds(20, judged, passed); task == nil || task.kind != taskFence || task.passed {
		t.Errorf("the other one was judged: %+v", task)
	}
	free := all(passed, func(s *sight) { s.quarantined = false })
	if task := newPanel(t, memory{}).rounds(20, again, free); task == nil || task.kind != taskFence || task.passed {
		t.Errorf("it passed over nothing: %+v", task)
	}
}
