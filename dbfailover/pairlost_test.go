package dbfailover

import (
	"strings"
	"testing"
	"time"
)

// A server that was restored from an old copy is tainted for it: a moment later its position
// has passed what it lacks.
func TestServerThatLostWritesIsTainted(t *testing.T) {
	p := serving(t)
	p.see(Secondary, func(s *sight) { s.feed.received = "1-1-20,2-2-10" })
	p.see(Primary, func(s *sight) { s.locked = true })
	if p.sings(Primary) || !p.sings(Secondary) {
		t.Error("a canary would hide it")
	}
	p.see(Secondary, func(s *sight) { s.at, s.feed.received = "1-1-20,2-2-10", "1-1-20,2-2-10" })
	task, _ := p.next(p.now)
	if task == nil || task.kind != taskMove || task.to != Secondary || !task.lost {
		t.Fatalf("%+v in %v: %s", task, p.state, p.reason)
	}
	p.finish(task, outcome{epoch: epoch{2, 2, "1-1-20,2-2-11"}, ended: p.now})
	p.see(Secondary, func(s *sight) { s.at, s.top, s.locked = "1-1-20,2-2-11", epoch{2, 2, "1-1-20,2-2-11"}, false })
	p.see(Primary, func(s *sight) { s.top, s.locked = epoch{2, 2, ""}, true })
	if task, _ = p.next(p.now); task == nil || task.kind != taskFence || !task.lost {
		t.Errorf("not tainted yet: %+v", task)
	}
}

// What it lost comes back from the other server, is skipped because it is its own, and is
// counted: its position soon has no gap. Its own log has.
func TestServerThatLostWritesIsSeenByItsOwnLog(t *testing.T) {
	for what, c := range map[string]struct {
		logged string
		lost   bool
	}{
		"all of it":                       {"1-1-20,2-2-10", false},
		"the copy's log":                  {"1-1-10,2-2-10", true},
		"set up from the other, no log":   {"", false},
		"the same, and it has taken over": {"2-2-10", false},
		"a log that cannot be read":       {"what", true},
	} {
		p := newPanel(t, memory{})
		at := func(s *sight) {
			s.at, s.feed.received = "1-1-20,2-2-10", "1-1-20,2-2-10"
			s.locked = true
		}
		p.see(Secondary, at)
		p.see(Primary, at, func(s *sight) { s.logged = c.logged })
		if p.lost(Primary) != c.lost || p.sings(Primary) == c.lost {
			t.Errorf("%s: lost %v, sings %v", what, p.lost(Primary), p.sings(Primary))
		}
	}
}

// Both are seen at once after everybody's start: a canary comes after the comparison.
func TestNoCanaryBeforeTheComparison(t *testing.T) {
	p := newPanel(t, memory{})
	p.see(Primary)
	p.see(Secondary)
	if p.sings(Primary) {
		t.Error("the primary has been seen, and not compared")
	}
	if p.see(Primary); !p.sings(Primary) {
		t.Error("compared, and no canary")
	}
	p.check(Primary, HealthDead, sight{})
	if p.now = p.now.Add(time.Second); p.sings(Primary) {
		t.Error("it may be another one when it comes back")
	}
	// It comes back, and its look overlaps with one at the other.
	overlap := func(p *panel, r Role, change ...func(*sight)) {
		began := p.now.Add(time.Millisecond)
		p.see(r.other())
		s := sight{known: true, id: uint32(r) + 1, at: "1-1-10,2-2-10", top: epoch{1, 1, ""}, locked: r == Secondary, feed: feed{received: "1-1-10,2-2-10", applied: true}}
		for _, f := range change {
			f(&s)
		}
		p.number++
		p.observe(result{role: r, health: HealthOK, number: p.number, began: began, ended: p.now.Add(2 * time.Millisecond), sight: s})
	}
	if overlap(p, Primary); p.sings(Primary) {
		t.Error("it has not been compared in this life")
	}
	// Nor is it opened, or promoted, however long all looks overlap.
	p = newPanel(t, memory{})
	for range 20 {
		overlap(p, Primary, isLocked)
		if task, _ := p.next(p.now.Add(5 * time.Millisecond)); task != nil {
			t.Fatalf("%+v", task)
		}
	}
	p = newPanel(t, memory{})
	if overlap(p, Secondary); !strings.Contains(p.unfit(Secondary, p.now), "not compared") {
		t.Error("fit to be promoted: " + p.unfit(Secondary, p.now))
	}
	p = newPanel(t, memory{})
	for range p.timing.fall {
		p.check(Secondary, HealthDead, sight{})
	}
	if p.see(Primary); !p.sings(Primary) {
		t.Error("there is none to compare it with")
	}
}

// An administrator has repaired it: the first look after that overlaps with one at the other
// server. What was known before must not taint it again.
func TestRepairedServerIsNotTaintedByWhatWasKnownBefore(t *testing.T) {
	for what, c := range map[string]struct {
		logged string
		again  bool
	}{
		"it has written since":                       {"1-1-21,2-2-30", false},
		"it has not, and somebody deleted the taint": {"1-1-10,2-2-30", true},
	} {
		p := newPanel(t, memory{})
		own := epoch{2, 2, "1-1-20,2-2-11"}
		writer := func(s *sight) {
			s.at, s.feed.received, s.top, s.locked = "1-1-20,2-2-11", "1-1-20,2-2-11", own, false
		}
		bad := func(s *sight) {
			s.at, s.logged, s.top, s.locked, s.judged = "1-1-20,2-2-11", "1-1-10,2-2-11", own, true, 2
		}
		p.see(Secondary, writer)
		p.see(Primary, bad, func(s *sight) { s.tail = tailLost })
		p.see(Secondary, writer)
		if !p.lost(Primary) {
			t.Fatal("not seen")
		}
		began := p.now.Add(time.Millisecond / 2)
		p.see(Secondary, writer)
		s := sight{known: true, id: 1, feed: feed{receiving: true, applying: true, applied: true}}
		bad(&s)
		s.logged = c.logged
		p.number++
		p.observe(result{role: Primary, health: HealthOK, number: p.number, began: began, ended: p.now.Add(2 * time.Millisecond), sight: s})
		task, _ := p.next(p.now)
		if again := task != nil && task.kind == taskFence && task.lost; again != c.again {
			t.Errorf("%s: %+v", what, task)
		}
		if !c.again && p.compared(Primary) {
			t.Errorf("%s: taken for compared", what)
		}
	}
}
