package invalidate

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// coherence is what a store asks of a node. Lies are told through it.
type coherence interface {
	Fresh(key string) bool
	Announce(ctx context.Context, key string) (func(), error)
}

// simStore is the smallest store that keeps the two contracts of the package comment.
type simStore struct {
	name  string
	node  coherence
	world *world
	alive context.Context // ends when the process is killed
	gate  func()          // blocks while the process is paused

	looksFirst bool // lie: looks into the cache before it asks Fresh
	unshaken   bool // lie: ignores Suspect

	mu      sync.Mutex
	epoch   int
	gen     map[string]int
	writing map[string]int
	entries map[string]simEntry
}

type simEntry struct{ version, epoch int }

func (s *simStore) Changing(key string) { s.bump(key, false) }
func (s *simStore) Changed(key string)  { s.bump(key, true) }

func (s *simStore) bump(key string, drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen[key]++
	if drop {
		delete(s.entries, key)
	}
}

func (s *simStore) Suspect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unshaken {
		s.epoch++
	}
}

// step is where the process may be held up, for an instant or for long.
func (s *simStore) step(r *rand.Rand) bool {
	if oneIn(r, 3) {
		time.Sleep(upTo(r, 2*time.Millisecond))
	}
	s.gate()
	return s.alive.Err() == nil
}

func (s *simStore) get(key string, r *rand.Rand) {
	shown, bounded := s.world.floor(key)
	early, fromCacheEarly := s.lookUp(key)
	if s.looksFirst && !s.step(r) {
		return
	}
	fresh := s.node.Fresh(key)
	if !s.step(r) {
		return
	}
	version, ok := s.lookUp(key)
	if s.looksFirst {
		version, ok = early, fromCacheEarly
	}
	if !fresh || !ok {
		version = s.fetch(key, r)
	}
	if s.step(r) {
		s.world.judge(s.name, key, version, shown, bounded, fresh && ok)
	}
}

func (s *simStore) lookUp(key string) (version int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, held := s.entries[key]
	return e.version, held && e.epoch == s.epoch && s.writing[key] == 0
}

func (s *simStore) fetch(key string, r *rand.Rand) int {
	insert := s.fence(key)
	version := s.world.get(key, r)
	s.gate()
	insert(version)
	return version
}

// fence notes generation and epoch; what it returns inserts only if neither has moved.
func (s *simStore) fence(key string) func(version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gen, epoch := s.gen[key], s.epoch
	return func(version int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.gen[key] == gen && s.epoch == epoch {
			s.entries[key] = simEntry{version, epoch}
		}
	}
}

func (s *simStore) put(key string, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(s.alive, upTo(r, 3*simLease))
	defer cancel()
	done, err := s.node.Announce(ctx, key)
	if err != nil || !s.step(r) {
		done()
		return
	}
	insert := s.begin(key)
	lands := upTo(r, 50*time.Millisecond)
	if oneIn(r, 8) {
		lands = upTo(r, simLanding-100*time.Millisecond)
	}
	select {
	case version := <-s.world.put(key, lands, upTo(r, 20*time.Millisecond)):
		s.gate()
		s.end(key, version, insert)
		if s.step(r) {
			done()
			s.world.written(key, version)
		}
	case <-s.alive.Done():
		// Killed: no word to anybody, and the request goes its way.
	}
}

func (s *simStore) begin(key string) (insert func(int)) {
	s.mu.Lock()
	s.writing[key]++
	s.gen[key]++
	s.mu.Unlock()
	return s.fence(key)
}

func (s *simStore) end(key string, version int, insert func(int)) {
	s.mu.Lock()
	delete(s.entries, key)
	s.mu.Unlock()
	insert(version)
	s.mu.Lock()
	s.gen[key]++
	s.writing[key]--
	s.mu.Unlock()
}
