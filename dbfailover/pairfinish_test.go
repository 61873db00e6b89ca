package dbfailover

import (
	"strings"
	"testing"
	"time"
)

// drain orders a planned move to server 2 and returns its task.
func (p *panel) drain(t *testing.T) *task {
	t.Helper()
	_, err := p.order(Secondary, false, p.now)
	must(t, err)
	task, _ := p.next(p.now)
	if task == nil || p.state != StateDraining {
		t.Fatalf("%+v in %v", task, p.state)
	}
	return task
}

func TestWhatIsSeenDuringAMoveIsHalfOfIt(t *testing.T) {
	p := serving(t)
	p.rounds(400, nothing, nothing)
	task := p.drain(t)
	for range 40 {
		p.dead(Primary)
		p.see(Secondary)
	}
	p.see(Primary, isLocked)
	p.must(t, "locked by the move", StateDraining)
	began := p.now
	p.finish(task, outcome{epoch: epoch{2, 2, "1-1-10,2-2-11"}, ended: p.now.Add(time.Second)})
	p.must(t, "done", StateSecondary)
	// Looks that were under way: the old one open, the new one locked.
	for _, r := range []Role{Primary, Secondary} {
		p.number++
		p.observe(result{role: r, health: HealthOK, number: p.number, began: began, ended: p.now.Add(1100 * time.Millisecond), sight: sight{
			known: true, id: uint32(r) + 1, at: "1-1-10,2-2-10", top: epoch{1, 1, ""}, locked: r == Secondary,
			feed: feed{received: "1-1-10,2-2-10", applied: true}}})
	}
	p.must(t, "after looks from before its end", StateSecondary)
	if task, _ := p.next(p.now.Add(1200 * time.Millisecond)); task != nil {
		t.Errorf("on such a look: %+v", task)
	}
}

// The doubt is as old as the move, however long all was well before.
func TestMoveThatFailedLeavesTimeToFindOut(t *testing.T) {
	p := serving(t)
	p.forA(time.Minute, func() { p.see(Primary); p.see(Secondary) })
	task := p.drain(t)
	p.finish(task, outcome{err: errBehind, ended: p.now.Add(time.Millisecond)})
	p.must(t, "failed", StateSuspect)
	p.see(Primary, isLocked) // and could not be opened again
	p.see(Secondary)
	p.must(t, "a moment later", StateSuspect)
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("at once: %+v", task)
	}
	if task := p.rounds(20, isLocked, nothing); task == nil || task.kind != taskUnlock {
		t.Errorf("%+v", task)
	}
	p.finish(p.task, outcome{reached: true, ended: p.now})
	p.see(Primary)
	p.must(t, "open again", StatePrimary)
}

// Meanwhile a later epoch was read.
func TestTaskOfAnEarlierEpochTakesNothingBack(t *testing.T) {
	p := serving(t)
	task := p.drain(t)
	later := epoch{5, 1, "1-1-30"}
	p.see(Primary, func(s *sight) { s.top = later })
	p.finish(task, outcome{epoch: epoch{2, 2, "2-2-11"}, ended: p.now.Add(time.Millisecond)})
	if p.highest != later {
		t.Errorf("%+v", p.highest)
	}
}

func TestServerThatDefiesAFenceFreezesTheThirdTime(t *testing.T) {
	open := all(isOpen)
	for what, c := range map[string]struct {
		seen func(*sight)
		o    outcome
		want State
	}{
		"killed threads have not ended":      {open, outcome{err: errThreads, reached: true}, StatePrimary},
		"it refuses":                         {open, outcome{err: refusal(1114), reached: true}, StateFrozen},
		"it is out of reach":                 {open, outcome{err: errBehind}, StatePrimary},
		"a later epoch has begun there":      {open, outcome{err: refusal(errOvertaken), reached: true}, StatePrimary},
		"another node is at it":              {open, outcome{err: refusal(errBusy), reached: true}, StatePrimary},
		"it is locked, and its disk is full": {all(isLocked, lostWrites), outcome{err: refusal(1114), reached: true}, StatePrimary},
	} {
		p := serving(t)
		for i := range frozenAfter {
			if task := p.rounds(20, nothing, c.seen); task == nil || task.kind != taskFence {
				t.Fatalf("%s: %+v in %v", what, task, p.state)
			}
			c.o.ended = p.now
			if p.finish(p.task, c.o); i < frozenAfter-1 && p.state != StatePrimary {
				t.Errorf("%s: %v after %d", what, p.state, i+1)
			}
		}
		p.must(t, what, c.want)
	}
}

func lostWrites(s *sight) { s.logged = "2-2-9" }

// When the conflict ends nobody is believed to be open because he was before it.
func TestFrozenEndsInDoubt(t *testing.T) {
	p := serving(t)
	p.see(Primary, in(2, 1, ""))
	turn, old := p.turn, p.epoch
	p.see(Secondary, in(2, 2, ""))
	if p.must(t, "one epoch on two servers", StateFrozen); p.turn == turn || p.epoch != old {
		t.Errorf("turn %d after %d, epoch %d after %d", p.turn, turn, p.epoch, old)
	}
	for range 100 {
		p.see(Primary, in(2, 1, ""))
		p.see(Secondary, in(2, 2, ""))
		if task, _ := p.next(p.now); task != nil {
			t.Fatalf("%+v", task)
		}
	}
	p.see(Primary, in(3, 1, ""), isLocked) // a human has decided elsewhere
	p.must(t, "decided", StateSuspect)
	p.see(Secondary, in(3, 1, ""))
	p.must(t, "its server is locked yet", StateSuspect)
	p.see(Primary, in(3, 1, ""))
	p.must(t, "and open", StatePrimary)

	p = newPanel(t, memory{})
	p.see(Primary, in(2, 1, ""))
	p.see(Secondary, in(2, 2, ""))
	if p.must(t, "from the start", StateFrozen); p.epoch != 0 {
		t.Errorf("epoch %d is in use by nobody", p.epoch)
	}
}

func TestWhatAnOperatorMayOrder(t *testing.T) {
	unapplied := func(s *sight) { s.feed.applied = false }
	for what, c := range map[string]struct {
		to                 Role
		primary, secondary func(*sight)
		why                string // it is refused; "" it is taken
		force              bool   // then with Force
	}{
		"well":                     {Secondary, nothing, nothing, "", true},
		"not applied: it waits":    {Secondary, nothing, unapplied, "", true},
		"tainted":                  {Secondary, nothing, func(s *sight) { s.tail = "3 transactions" }, "tainted", true},
		"the writer in quarantine": {Secondary, func(s *sight) { s.quarantined = true }, nothing, "in quarantine", true},
		"one epoch on two servers": {Secondary, in(2, 1, ""), in(2, 2, ""), "both servers", true},
		"the writer is away":       {Secondary, nil, nothing, "does not answer", true},
		"it is away":               {Secondary, nothing, nil, "last check", false},
		"two names for one server": {Secondary, nothing, func(s *sight) { s.id = 1 }, whyTwins, false},
	} {
		for _, force := range []bool{false, true} {
			p := serving(t)
			for r, change := range map[Role]func(*sight){Primary: c.primary, Secondary: c.secondary} {
				if change != nil {
					p.see(r, change)
				} else {
					p.dead(r)
				}
			}
			if c.primary == nil { // or it is no news
				p.see(Secondary, c.secondary)
			}
			task, err := p.order(c.to, force, p.now)
			taken := c.why == "" || force && c.force
			if (err == nil) != taken || err != nil && !strings.Contains(err.Error(), c.why) {
				t.Errorf("%s, force %v: %v", what, force, err)
			}
			if err == nil && (task == nil || task.force != force || task.planned == force) {
				t.Errorf("%s, force %v: %+v", what, force, task)
			}
		}
	}
	p := serving(t)
	if task, err := p.order(Primary, false, p.now); task != nil || err != nil {
		t.Errorf("to the server in use: %+v, %v", task, err)
	}
	p.see(Primary, isLocked)
	if task, err := p.order(Primary, true, p.now); task == nil || err != nil {
		t.Errorf("to a locked one, by Force: %+v, %v", task, err)
	}
	// Onto one with a tail: the other has passed that over.
	p = serving(t)
	p.see(Secondary, func(s *sight) { s.tail = "3 transactions" })
	_, err := p.order(Secondary, true, p.now)
	must(t, err)
	if task, _ := p.next(p.now); task == nil || !task.passed {
		t.Errorf("%+v", task)
	}
}

// Who may open a server that was locked at its boot.
func TestEpochIsCertainForWhoSawIt(t *testing.T) {
	alone := func(p *panel, change ...func(*sight)) *task {
		for range 40 {
			p.see(Primary, append(change, isLocked)...)
			p.dead(Secondary)
			if task, _ := p.next(p.now); task != nil {
				return task
			}
		}
		return nil
	}
	p := newPanel(t, memory{})
	for range 20 {
		p.see(Primary) // it is open
		p.dead(Secondary)
	}
	if task := alone(p); task == nil || task.kind != taskUnlock {
		t.Errorf("it was open in this epoch: %+v", task)
	}
	p = serving(t)
	p.dead(Secondary)
	if task := alone(p, in(2, 1, "")); task != nil {
		t.Errorf("in a later epoch, which the other may have followed by another: %+v", task)
	}
	p = newPanel(t, memory{})
	if task := alone(p); task != nil {
		t.Errorf("by a node that has seen nothing: %+v", task)
	}
	wish, err := p.order(Primary, true, p.now)
	must(t, err)
	p.next(p.now)
	p.finish(wish, outcome{epoch: epoch{2, 1, "1-1-11"}, ended: p.now.Add(time.Millisecond)})
	if task := alone(p, in(2, 1, "1-1-11")); task == nil || task.kind != taskUnlock {
		t.Errorf("in an epoch that it has begun itself: %+v", task)
	}
	// Its own row is a lower one, or it says that the epoch is another's.
	p = newPanel(t, memory{highest: epoch{2, 1, "1-1-20"}, ids: [2]uint32{1, 2}})
	if task := alone(p); task != nil {
		t.Errorf("before it knows the epoch: %+v", task)
	}
	if task := p.unlockOwner(Primary, p.now); task != nil {
		t.Errorf("%+v", task)
	}
}

// A server is judged once for an epoch.
func TestWhoIsJudged(t *testing.T) {
	p := serving(t)
	p.highest = epoch{3, 2, "1-1-10,2-2-11"}
	for what, c := range map[string]struct {
		s    sight
		want bool
	}{
		"it had less":                   {sight{top: epoch{3, 2, "1-1-10"}}, false},
		"it had more":                   {sight{top: epoch{3, 2, "1-1-11"}}, true},
		"nobody knows":                  {sight{top: epoch{3, 2, ""}}, true},
		"it had more, and is judged":    {sight{top: epoch{3, 2, "1-1-11"}, judged: 3}, false},
		"judged for the epoch before":   {sight{top: epoch{3, 2, "1-1-11"}, judged: 2}, true},
		"it wrote itself before that":   {sight{id: 1, top: epoch{2, 1, "1-1-11"}}, false},
		"it missed the writer's second": {sight{id: 1, top: epoch{1, 2, "1-1-11"}}, true},
		"the epoch is its own":          {sight{id: 2, top: epoch{1, 1, "1-1-11"}}, false},
	} {
		if got := p.unjudged(c.s); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
	p.highest.gtid = ""
	if p.unjudged(sight{top: epoch{3, 2, "1-1-11"}}) {
		t.Error("by a position that nobody knows")
	}
}
