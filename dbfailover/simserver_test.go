package dbfailover

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
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
}

// simEntry is one transaction in a server's own log.
type simEntry struct {
	row  string // the application's, or empty
	gate uint64 // or the start of an epoch
	node string // or whose canary
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
	tail        string
	heard       map[string]uint64 // canaries taken over, by node
	tainted     int               // own entries from here on are the tail
	boots       int               // connections of an earlier life are dead
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
			id: uint32(i + 1), up: true, locked: i == 1, rows: map[string]bool{}, heard: map[string]uint64{}, tainted: -1,
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

func (w *simWorld) at(i int) string {
	s := w.servers[i]
	return fmt.Sprintf("%d-%d-%d,%d-%d-%d", s.id, s.id, len(s.own), 3-s.id, 3-s.id, s.applied)
}

// replicate moves what can be moved; w.mu is held.
func (w *simWorld) replicate() {
	for i, s := range w.servers {
		other := w.servers[1-i]
		if !s.up || s.paused {
			continue
		}
		if w.feed[i] && other.up && !other.paused {
			s.received = len(other.own)
		}
		for s.applied < s.received && !s.gated {
			e := other.own[s.applied]
			switch {
			case e.gate > s.top().number:
				s.gated = true
				continue
			case e.row != "" && !s.quarantined:
				s.rows[e.row] = true
			}
			if e.node != "" {
				s.heard[e.node]++
			}
			s.applied++
		}
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
		s.up, s.paused = false, false
		s.boots++
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

// simLink is one web node's way to one server.
type simLink struct {
	world *simWorld
	node  string
	i     int
	cut   func() bool
}

// do runs on the server, after a moment, if it can be reached; a server that is paused
// does it when it wakes up, also if nobody waits any more.
func (l *simLink) do(ctx context.Context, run func(s *simServer) error) error {
	w := l.world
	w.mu.Lock()
	pause := time.Duration(w.rng.IntN(4000)) * time.Microsecond
	back := time.Duration(w.rng.IntN(2000)) * time.Microsecond
	boots := w.servers[l.i].boots
	w.mu.Unlock()
	if err := nap(ctx, pause); err != nil {
		return err
	}
	for {
		w.mu.Lock()
		s, changed := w.servers[l.i], w.changed
		switch {
		case !s.up || s.boots != boots:
			w.mu.Unlock()
			return syscall.ECONNREFUSED
		case l.cut():
			w.mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		case !s.paused:
			w.replicate()
			err := run(s)
			w.replicate()
			w.mu.Unlock()
			if napErr := nap(ctx, back); napErr != nil {
				return napErr // done, and nobody heard of it
			}
			w.mu.Lock()
			lost := l.cut()
			w.mu.Unlock()
			if lost {
				<-ctx.Done()
				return ctx.Err()
			}
			return err
		}
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			if w.coin() { // or it was reset in time
				go w.late(l.i, boots, run)
			}
			return ctx.Err()
		}
	}
}

// late does what lay in the socket of a paused server when nobody waited any more.
func (w *simWorld) late(i, boots int, run func(*simServer) error) {
	for {
		w.mu.Lock()
		s, changed := w.servers[i], w.changed
		if gone := s.boots != boots; gone || !s.paused {
			if !gone {
				_ = run(s)
			}
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		<-changed
	}
}

func (w *simWorld) coin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(2) == 0
}

func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func refusal(number uint16) error { return &mysql.MySQLError{Number: number, Message: "simulated"} }

func (l *simLink) lock(ctx context.Context) (left int, at string, err error) {
	answer := new(string) // not at: it may be written when nobody waits
	err = l.do(ctx, func(s *simServer) error {
		s.locked, *answer = true, l.world.at(l.i)
		return nil
	})
	if err == nil {
		at = *answer
	}
	return 0, at, err
}

func (s *simServer) barred(e epoch) bool {
	top := s.top()
	return top.number > e.number || top.contradicts(e)
}

func (l *simLink) fence(ctx context.Context, e epoch, own bool, tail string) (left int, gtid string, err error) {
	answer := new(string)
	err = l.do(ctx, func(s *simServer) error {
		if s.barred(e) {
			return refusal(errOvertaken)
		}
		s.locked = true
		if tail != "" {
			s.tail, s.quarantined = tail, true
			_, _ = fmt.Sscanf(tail, "from %d", &s.tainted)
		}
		if own {
			e.gtid = l.world.at(l.i)
		}
		if _, there := s.epochs[e.number]; !there {
			s.epochs[e.number] = e
		}
		*answer = s.epochs[e.number].gtid
		return nil
	})
	if err == nil {
		gtid = *answer
	}
	return 0, gtid, err
}

func (l *simLink) promote(ctx context.Context, number uint64, quarantine, force bool) error {
	return l.do(ctx, func(s *simServer) error {
		e := epoch{number: number, server: s.id}
		switch {
		case s.barred(e):
			return refusal(errOvertaken)
		case s.tail != "" && !force:
			return refusal(errTainted)
		}
		if _, there := s.epochs[number]; !there {
			s.quarantined = s.quarantined || quarantine
			s.own = append(s.own, simEntry{gate: number})
			e.gtid = l.world.at(l.i)
			s.epochs[number] = e
		}
		s.locked = false
		return nil
	})
}

func (l *simLink) unfence(ctx context.Context, number uint64) error {
	return l.do(ctx, func(s *simServer) error {
		if top := s.top(); top.number != number || top.server != s.id {
			return refusal(errOvertaken)
		}
		s.locked = false
		return nil
	})
}

func (l *simLink) tail(ctx context.Context, since string) (string, error) {
	found := new(string)
	err := l.do(ctx, func(s *simServer) error {
		from, err := parsePosition(since)
		if err != nil {
			return err
		}
		start := int(from[s.id].sequence)
		for _, e := range s.own[start:] {
			if e.row != "" {
				*found = fmt.Sprintf("from %d", start)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return *found, nil
}

func (l *simLink) position(ctx context.Context) (string, error) {
	at := new(string)
	if err := l.do(ctx, func(*simServer) error { *at = l.world.at(l.i); return nil }); err != nil {
		return "", err
	}
	return *at, nil
}

func (l *simLink) resume(ctx context.Context) error {
	return l.do(ctx, func(s *simServer) error { s.gated = false; return nil })
}

func (l *simLink) lift(ctx context.Context) error {
	return l.do(ctx, func(s *simServer) error {
		if s.tail != "" {
			return refusal(errTainted)
		}
		s.quarantined = false
		return nil
	})
}

func (l *simLink) beat(ctx context.Context, _ uint64) error {
	return l.do(ctx, func(s *simServer) error { s.own = append(s.own, simEntry{node: l.node}); return nil })
}

func (l *simLink) refusals(context.Context) ([]string, error) { return nil, nil }

func (l *simLink) leave() {}

func (l *simLink) look(ctx context.Context) (sight, error) {
	seen := new(sight)
	err := l.do(ctx, func(s *simServer) error {
		other := l.world.servers[1-l.i]
		*seen = sight{
			known: true, id: s.id, at: l.world.at(l.i), top: s.top(), locked: s.locked, tail: s.tail, quarantined: s.quarantined,
			feed: feed{
				receiving: l.world.feed[l.i] && other.up && !other.paused, applying: !s.gated, gated: s.gated,
				received: fmt.Sprintf("%d-%d-%d", other.id, other.id, s.received), applied: s.applied == s.received,
			},
		}
		for node, n := range s.heard {
			if node != l.node {
				seen.beats += n
			}
		}
		return nil
	})
	if err != nil {
		return sight{}, err
	}
	return *seen, nil
}

// commit is the application's: nothing tells the server who sends it but the lock.
func (l *simLink) commit(ctx context.Context, row string) error {
	err := l.do(ctx, func(s *simServer) error {
		if s.locked {
			return refusal(errAccountLocked)
		}
		s.own = append(s.own, simEntry{row: row})
		s.rows[row] = true
		l.world.commits = append(l.world.commits, simCommit{row: row, server: l.i, epoch: s.top().number})
		return nil
	})
	if err == nil {
		l.world.set(func() {
			for i := len(l.world.commits) - 1; i >= 0; i-- {
				if l.world.commits[i].row == row {
					l.world.commits[i].acked = true
					break
				}
			}
		})
	}
	return err
}
