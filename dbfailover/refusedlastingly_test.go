package dbfailover

import (
	"context"
	"slices"
	"testing"
	"time"
)

// failing plays rounds in which every task times out, and returns the tasks that were tried.
func (p *panel) failing(rounds int, primary, secondary func(*sight)) (tried []task) {
	for range rounds {
		t := p.rounds(1, primary, secondary)
		if t == nil {
			continue
		}
		tried = append(tried, *t)
		p.now = p.now.Add(3 * time.Second)
		p.finish(t, outcome{err: context.DeadlineExceeded, ended: p.now})
	}
	return tried
}

func among(tried []task, kind taskKind, to Role) bool {
	return slices.ContainsFunc(tried, func(t task) bool { return t.kind == kind && t.to == to })
}

// The lower server cannot be fenced for the moment (a backup's lock, a disk that hangs). The
// writer has been restarted, and is opened all the same: nobody uses the lower one.
func TestFenceThatFailsDoesNotKeepTheWriterLocked(t *testing.T) {
	p := newPanel(t, memory{})
	tried := p.failing(60, isOpen, all(in(2, 2, "1-1-10,2-2-10"), isLocked))
	if !among(tried, taskUnlock, Secondary) || !among(tried[2:], taskFence, Primary) {
		t.Errorf("%+v", tried)
	}
}

// Not so what could mix one server's rows into the other's tail.
func TestNothingIsLiftedBeforeTheFence(t *testing.T) {
	old, writer := moved()
	p := newPanel(t, memory{})
	tried := p.failing(60, all(old, func(s *sight) { s.judged = 1; s.top.gtid = "" }), writer)
	if !among(tried, taskFence, Primary) || among(tried, taskLift, Secondary) {
		t.Errorf("%+v", tried)
	}
}

// A promotion that is refused lastingly after the old server was fenced for it goes back
// to that one, if it may be the writer.
func TestEpochThatIsRefusedLastinglyIsTakenBack(t *testing.T) {
	fenced := all(in(2, 2, "1-1-10,2-2-10"), isLocked)
	for what, c := range map[string]struct {
		old, new func(*sight)
		back     bool
	}{
		"it is not opened":                                   {fenced, isLocked, true},
		"and the old one is tainted":                         {all(fenced, func(s *sight) { s.tail = "1 transaction" }), isLocked, false},
		"it is locked since its start, and not opened again": {all(fenced, func(s *sight) { s.judged = 2 }), all(in(2, 2, "1-1-10,2-2-10"), isLocked), true},
		"and the old one is behind":                          {all(fenced, func(s *sight) { s.judged, s.feed.applied = 2, false }), all(in(2, 2, "1-1-10,2-2-10"), isLocked), false},
	} {
		p := newPanel(t, memory{})
		tried := p.failing(200, c.old, c.new)
		if len(tried) < lasting || among(tried, taskMove, Primary) != c.back {
			t.Errorf("%s: %+v", what, tried)
		}
		for i, task := range tried {
			if task.kind == taskMove && (i < lasting || !task.planned || task.epoch != epoch{3, 1, ""}) {
				t.Errorf("%s: %+v after %d", what, task, i)
			}
		}
	}
}
