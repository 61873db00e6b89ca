package dbfailover

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// simWorld is two servers that replicate to each other and keep the script's rules,
// without SQL: thousands of schedules can be played on them in fake time.
type simWorld struct {
	mu      sync.Mutex
	rng     *rand.Rand
	servers [2]*simServer
	feed    [2]bool // feed[i]: server i receives from the other
	commits []simCommit
	changed chan struct{} // closed, and replaced, when a server stops or goes on
	flaky   int           // one step in so many is slow, or its procedure ends there; 0: none
}

// slips is a step that goes wrong; w.mu is held.
func (w *simWorld) slips() bool { return w.flaky > 0 && w.rng.IntN(w.flaky) == 0 }

// simEntry is one transaction in a server's own log.
type simEntry struct {
	row  string // the application's, or empty
	gate uint64 // or the start of an epoch
	node string // or whose canary,
	beat uint64 // and which
}

type simServer struct {
	id          uint32
	up, paused  bool
	rows        map[string]bool
	own         []simEntry
	received    int // of the other's own
	applied     int
	gated       bool
	epochs      map[uint64]epoch
	locked      bool
	quarantined bool
	since       int // where it stood in the other's own when the quarantine began
	tail        string
	judged      uint64
	forced      map[uint64]bool   // own epochs that were opened over a tail
	heard       map[string]uint64 // canaries taken over, by node
	echoes      map[string]uint64 // the last of each
	tainted     int               // own entries from here on are the tail
	boots       int               // connections of an earlier life are dead
	full        bool              // its disk: commits wait
	waiting     []*simThread
}

// simThread is a commit that waits for the disk.
type simThread struct {
	simCommit
	killed, ended bool
}

type simCommit struct {
	row    string
	server int
	epoch  uint64
	acked  bool
}

func newSimWorld(rng *rand.Rand) *simWorld {
	w := &simWorld{rng: rng, feed: [2]bool{true, true}, changed: make(chan struct{})}
	for i := range w.servers {
		w.servers[i] = &simServer{
			id: uint32(i + 1), up: true, locked: i == 1, rows: map[string]bool{}, heard: map[string]uint64{}, echoes: map[string]uint64{}, tainted: -1, forced: map[uint64]bool{},
			epochs: map[uint64]epoch{1: {1, 1, ""}},
		}
	}
	return w
}

func (s *simServer) top() (e epoch) {
	for _, row := range s.epochs {
		if row.above(e) {
			e = row
		}
	}
	return e
}

// told is the highest epoch that lets it past the gate.
func (s *simServer) told() (number uint64) {
	for _, row := range s.epochs {
		if row.gtid != "" || row.number == 1 || row.server == s.id || row.number <= s.judged {
			number = max(number, row.number)
		}
	}
	return number
}

func (w *simWorld) at(i int) string {
	s := w.servers[i]
	return fmt.Sprintf("%d-%d-%d,%d-%d-%d", s.id, s.id, len(s.own), 3-s.id, 3-s.id, s.applied)
}

// skip begins a quarantine.
func (s *simServer) skip() {
	if !s.quarantined {
		s.quarantined, s.since = true, s.applied
	}
}

// has is the position up to which it has all of the application's rows.
func (w *simWorld) has(i int) string {
	s := w.servers[i]
	applied := s.applied
	if s.quarantined {
		applied = s.since
	}
	return fmt.Sprintf("%d-%d-%d,%d-%d-%d", s.id, s.id, len(s.own), 3-s.id, 3-s.id, applied)
}

// forgive: a row that an operator gave up by Force, or that is part of a tail that somebody
// has seen, is not asked for any more.
func (w *simWorld) forgive(rows []simEntry) {
	for _, e := range rows {
		for i := range w.commits {
			if e.row != "" && w.commits[i].row == e.row {
				w.commits[i].acked = false
			}
		}
	}
}

// replicate moves what can be moved; w.mu is held.
func (w *simWorld) replicate() {
	for i, s := range w.servers {
		other := w.servers[1-i]
		if !s.up || s.paused {
			continue
		}
		if w.feed[i] && other.up && !other.paused {
			if n := len(other.own) - s.received; n > 0 {
				s.received += w.rng.IntN(n + 1)
			}
		}
		for s.applied < s.received && !s.gated && w.rng.IntN(4) > 0 {
			e := other.own[s.applied]
			switch {
			case e.gate > s.told():
				s.gated = true
				continue
			case e.row != "" && !s.quarantined:
				s.rows[e.row] = true
			}
			if e.node != "" {
				s.heard[e.node]++
				s.echoes[e.node] = e.beat
			}
			s.applied++
		}
	}
}

// replicateAll waits for what lags.
func (w *simWorld) replicateAll() {
	for range 1000 {
		w.replicate()
	}
}

func (w *simWorld) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *simWorld) kill(i int) {
	w.set(func() {
		s := w.servers[i]
		s.up, s.paused, s.full, s.waiting = false, false, false, nil
		s.boots++
	})
}

// evict kills what waits for the disk: nobody hears of it any more, but it does not end.
func (w *simWorld) evict(s *simServer) (left int) {
	for _, th := range s.waiting {
		th.killed = true
	}
	close(w.changed)
	w.changed = make(chan struct{})
	return len(s.waiting)
}

// free makes room on the disk: what waited is written, and some of what was killed.
func (w *simWorld) free(i int) {
	w.set(func() {
		s := w.servers[i]
		for _, th := range s.waiting {
			th.ended = true
			if th.killed && w.rng.IntN(2) == 0 {
				continue
			}
			s.own = append(s.own, simEntry{row: th.row})
			s.rows[th.row] = true
			w.commits = append(w.commits, th.simCommit)
		}
		s.full, s.waiting = false, nil
	})
}

func (w *simWorld) start(i int) {
	w.set(func() {
		s := w.servers[i]
		if !s.up {
			s.up, s.locked, s.gated, s.received = true, true, false, s.applied
		}
		s.paused = false
	})
}
