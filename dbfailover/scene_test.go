package dbfailover

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// scene is two web nodes of north that write all the time, one of south as the
// neighbour, and a ledger of what they were told.
type scene struct {
	*duo
	a, b, south *webNode
	timers      Timers
	times       timing
	epoch       uint64 // in force at the beginning
	differ      bool   // the rows of the two servers, by the fault itself
	measured    []measured

	struck struct{ begin, end time.Time }
	late   atomic.Int64 // the latest that a timer came, in nanoseconds

	mu        sync.Mutex
	told      []told // north
	neighbour []told // south
	end       chan struct{}
	work      sync.WaitGroup
}

// told is one write and what became of it for who asked for it.
type told struct {
	text         string
	began, ended time.Time
	server       int // 0: it was not sent to any
	err          error
}

func newStage(t *testing.T, o testbed.Options) *duo {
	d := newDuo(t, o)
	d.tables(t)
	return d
}

// newScene begins with the writers where they belong, in whatever epoch.
func newScene(t *testing.T, d *duo, timers Timers) *scene {
	times, err := timers.timing()
	must(t, err)
	s := &scene{duo: d, timers: timers, times: times}
	s.a, s.b = s.node(t, "north", "a", timers), s.node(t, "north", "b", timers)
	s.south = s.node(t, "south", "s", Careful) // it shall notice nothing, a busy machine included
	s.home(t)
	s.epoch = s.a.c.Status().Epoch
	t.Cleanup(s.stop)
	return s
}

// home makes the primaries the writers. On a busy machine a node may have moved while
// everybody started.
func (s *scene) home(t *testing.T) {
	t.Helper()
	eventually(t, "the primaries are the writers", func() bool {
		for _, n := range []*webNode{s.a, s.south} {
			if n.c.Status().Active != Primary {
				_ = n.c.Switch(t.Context(), Primary)
			}
		}
		for _, n := range []*webNode{s.a, s.b, s.south} {
			now := n.c.Status()
			if now.State != StatePrimary || now.Servers[Primary].Health != HealthOK || now.Servers[Secondary].Health != HealthOK {
				return false
			}
		}
		return s.a.c.Status().Epoch == s.b.c.Status().Epoch
	})
}

// load lets all three write until stop.
func (s *scene) load() {
	s.end = make(chan struct{})
	s.work.Go(s.metronome)
	s.work.Go(func() { s.each(s.a, 5*time.Millisecond, &s.told) })
	s.work.Go(func() { s.each(s.b, 25*time.Millisecond, &s.told) })
	s.work.Go(func() { s.each(s.south, 25*time.Millisecond, &s.neighbour) })
}

// metronome measures how long this process is kept waiting for a processor.
func (s *scene) metronome() {
	const beat = 10 * time.Millisecond
	for last := time.Now(); ; {
		select {
		case <-s.end:
			return
		case <-time.After(beat):
		}
		now := time.Now()
		s.late.Store(max(s.late.Load(), int64(now.Sub(last)-beat)))
		last = now
	}
}

// excused: the neighbour's own checks failed for so long that it moved, while this process
// was kept waiting as well. That is the machine's doing, not the fault's.
func (s *scene) excused() bool {
	moved := slices.ContainsFunc(s.south.c.Status().Recent, func(c Transition) bool {
		return c.To == StatePromoting && strings.HasSuffix(c.Reason, reasonTimeout)
	})
	return moved && time.Duration(s.late.Load()) > 100*time.Millisecond
}

// each writes rows of one node, whose names no other scene has.
func (s *scene) each(n *webNode, pause time.Duration, to *[]told) {
	for i := 0; ; i++ {
		select {
		case <-s.end:
			return
		case <-time.After(pause):
		}
		w := told{text: fmt.Sprintf("%s-%d-%d", n.name, time.Now().UnixNano(), i), began: time.Now()}
		w.server, w.err = n.tryWrite(w.text)
		w.ended = time.Now()
		s.mu.Lock()
		*to = append(*to, w)
		s.mu.Unlock()
	}
}

func (s *scene) stop() {
	if s.end != nil {
		close(s.end)
		s.work.Wait()
		s.end = nil
	}
}

// warm lets the load run for a moment before the fault. Whoever has moved meanwhile, because
// the machine is too busy for the checks of Fast, is led home again.
func (s *scene) warm(t *testing.T) {
	t.Helper()
	s.load()
	time.Sleep(300 * time.Millisecond)
	if s.a.c.Status().Epoch != s.epoch {
		s.home(t)
		s.epoch = s.a.c.Status().Epoch
	}
}

// strike does it, and remembers when.
func (s *scene) strike(fault func()) {
	s.struck.begin = time.Now()
	fault()
	s.struck.end = time.Now()
}

// good waits for the first write that was begun after the strike and acknowledged by that
// server (0: by either), and keeps how long that took from the strike on.
func (s *scene) good(t *testing.T, server int, what string) (by int) {
	t.Helper()
	var first told
	eventually(t, fmt.Sprintf("server %d writes: %s", server, what), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, w := range s.told {
			if w.err == nil && (server == 0 || w.server == server) && w.began.After(s.struck.end) && (first.ended.IsZero() || w.ended.Before(first.ended)) {
				first = w
			}
		}
		return !first.ended.IsZero()
	})
	s.measured = append(s.measured, measured{what: what, timers: s.timers, took: first.ended.Sub(s.struck.begin)})
	return first.server
}

// long is many times what a switch takes.
func (s *scene) long() { time.Sleep(s.times.patience) }

// stays: nobody has moved for the fault's sake. On a machine that is far too busy checks and
// canaries time out for long enough to lead to a move; the reason tells them apart.
func (s *scene) stays(t *testing.T) {
	t.Helper()
	for _, n := range []*webNode{s.a, s.b} {
		for _, c := range n.c.Status().Recent {
			slow := strings.HasSuffix(c.Reason, reasonTimeout) || strings.HasSuffix(c.Reason, "cannot write") && n.starved()
			if c.To == StatePromoting && !slow {
				t.Errorf("%s: %v: %s", n.name, c.To, c.Reason)
			}
		}
	}
}

// starved: a node that nothing was done to could not check a server in time.
func (n *webNode) starved() bool {
	log := n.log.String()
	return strings.Contains(log, "reason="+reasonTimeout) || strings.Contains(log, reasonPaused)
}

// serves waits until both nodes of north are served by one server, and returns which.
func (s *scene) serves(t *testing.T) (writer int) {
	t.Helper()
	eventually(t, "both nodes are served by one server", func() bool {
		a, b := s.a.c.Status(), s.b.c.Status()
		writer = int(a.Active) + 1
		return a.State.serving() && b.State.serving() && a.Active == b.Active && a.Epoch == b.Epoch
	})
	return writer
}

// judge counts wrong outcomes: of every write that was acknowledged the row is with the
// writer, or the other server is tainted and has it; of every write that failed and is not
// said to be unknown there is no row anywhere; and two servers neither of which is tainted
// have the same rows. The neighbour's errors are counted beside.
func (s *scene) judge(t *testing.T) (wrong, disturbed int) {
	t.Helper()
	s.stop()
	writer := s.serves(t)
	var rows, other map[string]bool
	tainted := false
	eventually(t, "both servers know the epoch, and have the same rows or a tail", func() bool {
		time.Sleep(50 * time.Millisecond)
		one, two := s.look(t, "north", writer), s.look(t, "north", 3-writer)
		tainted = two.tail != ""
		rows, other = s.texts(t, "north", writer), s.texts(t, "north", 3-writer)
		return one.top.number == two.top.number && (tainted || s.differ || same(rows, other))
	})
	good := 0
	for _, w := range s.told {
		switch {
		case w.err == nil && !rows[w.text] && !(tainted && other[w.text]):
			wrong++
			t.Errorf("%q was acknowledged by server %d and is gone", w.text, w.server)
		case w.err == nil:
			good++
		case !errors.Is(w.err, ErrCommitUnknown) && (rows[w.text] || other[w.text]):
			wrong++
			t.Errorf("%q is there, and the error was %v", w.text, w.err)
		}
	}
	if good == 0 {
		t.Error("nothing was written")
	}
	kept := s.texts(t, "south", 2)
	for _, w := range s.neighbour {
		if w.err != nil || !kept[w.text] {
			disturbed++
		}
	}
	return wrong, disturbed
}

func same(a, b map[string]bool) bool {
	for text := range a {
		if !b[text] {
			return false
		}
	}
	return len(a) == len(b)
}
