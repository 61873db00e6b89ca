package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

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
	if w.slips() {
		pause += time.Duration(w.rng.IntN(600)) * time.Millisecond
	}
	if w.slips() {
		back += time.Duration(w.rng.IntN(600)) * time.Millisecond
	}
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

func (l *simLink) lock(ctx context.Context, number uint64) (left int, at string, err error) {
	answer, threads := new(string), new(int) // not at: it may be written when nobody waits
	err = l.do(ctx, func(s *simServer) error {
		if s.top().number > number {
			return refusal(errOvertaken)
		}
		s.locked, *threads, *answer = true, l.world.evict(s), l.world.at(l.i)
		return nil
	})
	if err == nil {
		left, at = *threads, *answer
	}
	if left > 0 {
		_ = nap(ctx, 500*time.Millisecond)
	}
	return left, at, err
}

func (s *simServer) barred(e epoch) bool {
	top := s.top()
	return top.number > e.number || top.contradicts(e)
}

func (l *simLink) fence(ctx context.Context, e epoch, own bool, tail *string) (left int, gtid string, err error) {
	return l.bar(ctx, e, own, tail, false)
}

func (l *simLink) disown(ctx context.Context, e epoch) error {
	e.gtid = ""
	_, _, err := l.bar(ctx, e, false, nil, true)
	return err
}

func (l *simLink) bar(ctx context.Context, e epoch, own bool, tail *string, anyway bool) (left int, gtid string, err error) {
	answer, threads := new(string), new(int)
	err = l.do(ctx, func(s *simServer) error {
		if e.server == s.id {
			return refusal(errSameHere)
		}
		if s.barred(e) {
			return refusal(errOvertaken)
		}
		s.locked = true
		if *threads = l.world.evict(s); *threads > 0 && !anyway {
			return nil
		}
		wrote := s.top().server == s.id
		if !wrote && s.quarantined && s.tail == "" {
			tail = new("it has passed over")
		}
		if tail != nil && *tail != "" {
			s.tail = *tail
			s.skip()
			s.tainted = len(s.own) // nothing of its own, if the other's tail is the reason
			_, _ = fmt.Sscanf(*tail, "from %d", &s.tainted)
		}
		if l.world.slips() {
			return errMidway
		}
		if s.tail == "" {
			s.quarantined = false
		}
		if l.world.slips() {
			return errMidway
		}
		if tail != nil {
			s.judged = e.number
		}
		if l.world.slips() {
			return errMidway
		}
		if own {
			e.gtid = l.world.at(l.i)
		} else if wrote && tail == nil {
			e.gtid = ""
		}
		if _, there := s.epochs[e.number]; !there {
			s.epochs[e.number] = e
		}
		*answer = s.epochs[e.number].gtid
		return nil
	})
	if err == nil {
		left, gtid = *threads, *answer
	}
	return left, gtid, err
}

func (l *simLink) ready(ctx context.Context) error {
	return l.do(ctx, func(*simServer) error { return nil })
}

func (l *simLink) promote(ctx context.Context, number uint64, quarantine, force bool) (gtid string, err error) {
	answer := new(string)
	err = l.do(ctx, func(s *simServer) error {
		e := epoch{number: number, server: s.id}
		switch {
		case s.barred(e):
			return refusal(errOvertaken)
		case s.tail != "" && !force:
			return refusal(errTainted)
		}
		if _, there := s.epochs[number]; !there {
			if s.full { // the gate goes through the log
				return errFull
			}
			if quarantine {
				s.skip()
			}
			if l.world.slips() {
				return errMidway
			}
			s.own = append(s.own, simEntry{gate: number})
			if l.world.slips() {
				return errMidway
			}
			if own := s.top(); force && own.server == s.id && s.forced[own.number] {
				s.forced[number] = true // over what the other one has passed over since then
			}
			if s.tail != "" { // then it is forced
				l.world.forgive(s.own[s.tainted:])
				s.tail, s.tainted, s.forced[number] = "", -1, true
			}
			e.gtid = l.world.has(l.i)
			s.epochs[number] = e
		}
		if l.world.slips() {
			return errMidway
		}
		s.locked, *answer = false, s.epochs[number].gtid
		return nil
	})
	if errors.Is(err, errFull) {
		<-ctx.Done()
		err = ctx.Err()
	}
	if err == nil {
		gtid = *answer
	}
	return gtid, err
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
	if err := l.do(ctx, func(*simServer) error { *at = l.world.has(l.i); return nil }); err != nil {
		return "", err
	}
	return *at, nil
}

func (l *simLink) resume(ctx context.Context) error {
	return l.do(ctx, func(s *simServer) error { s.gated = false; return nil })
}

func (l *simLink) lift(ctx context.Context, number uint64) error {
	return l.do(ctx, func(s *simServer) error {
		if s.top().number > number {
			return refusal(errOvertaken)
		}
		if s.tail != "" {
			return refusal(errTainted)
		}
		s.quarantined = false
		return nil
	})
}

func (l *simLink) beat(ctx context.Context, n uint64) error {
	err := l.do(ctx, func(s *simServer) error {
		if s.full {
			return errFull
		}
		s.own = append(s.own, simEntry{node: l.node, beat: n})
		return nil
	})
	if errors.Is(err, errFull) {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// errMidway: a procedure was killed between two of its steps.
var errMidway = refusal(errQueryInterrupted)

// errFull stands for a call that hangs.
var errFull = errors.New("the disk is full")

func (l *simLink) refusals(context.Context) ([]string, error) { return nil, nil }

func (l *simLink) leave() {}

func (l *simLink) look(ctx context.Context) (sight, error) {
	seen := new(sight)
	err := l.do(ctx, func(s *simServer) error {
		other := l.world.servers[1-l.i]
		*seen = sight{
			known: true, id: s.id, at: l.world.at(l.i), top: s.top(), locked: s.locked, tail: s.tail, quarantined: s.quarantined,
			judged: s.judged, echo: s.echoes[l.node], forced: s.forced[s.top().number],
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
