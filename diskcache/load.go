package diskcache

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// loading is what must be remembered until everything on disk has been found.
// Until then, slots of what was found are there, but nobody is served from them:
// a drop that voids them may be in a file not read yet.
type loading struct {
	done chan struct{}
	over atomic.Bool

	mu    sync.Mutex
	drops map[uint64]uint64 // by hash: every record with a lower sequence number is void

	all atomic.Uint64 // every record with a lower sequence number is void
}

func (l *loading) init() {
	l.done = make(chan struct{})
	l.drops = make(map[uint64]uint64)
}

// Loaded is closed when everything that an earlier process stored can be found, or
// when the cache has been closed before that.
func (c *Cache) Loaded() <-chan struct{} { return c.loading.done }

func (c *Cache) ready() bool { return c.loading.over.Load() }

// note remembers a drop. It is false if loading has ended meanwhile.
func (l *loading) note(hash, seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over.Load() {
		return false
	}
	l.drops[hash] = max(l.drops[hash], seq)
	return true
}

func (l *loading) noteAll(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Store(max(l.all.Load(), seq))
}

func (l *loading) voids(e entry) bool { return e.seq < l.all.Load() }

// loadWorkers bounds the cores that loading takes from an application that has
// just started.
const loadWorkers = 4

// load finds the records of an earlier process again, and then what was dropped.
func (c *Cache) load(ctx context.Context) {
	defer close(c.loading.done)
	segments := c.disk.foundSegments()
	workers := make([]loader, min(loadWorkers, runtime.GOMAXPROCS(0)))
	c.makeSpace(segments)
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		l := &workers[i]
		l.c, l.d = c, c.disk
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(segments) {
					return
				}
				l.segment(ctx, segments[n])
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return
	}
	for _, l := range workers[1:] {
		workers[0].solos = append(workers[0].solos, l.solos...)
	}
	workers[0].readDrops()
	workers[0].settle()
}

// foundSegments returns them with a reference to each.
func (d *disk) foundSegments() []*segment {
	d.gate.lock()
	defer d.gate.unlock()
	return slices.DeleteFunc(d.table.all(), func(s *segment) bool { return !s.loading || !s.acquire() })
}

// makeSpace gives the index the size that the trailers promise: growing it step by
// step would copy every slot six times.
func (c *Cache) makeSpace(segments []*segment) {
	records := 0
	for _, s := range segments {
		t := *newSegment(s.segmentHeader, s.aead, s.f)
		if s.found > 0 {
			records += max(0, int(s.foundSize/512)) // about; it has begun to grow
		} else if t.readTrailer(s.foundSize) == nil {
			records += t.records
		}
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.index.reserve(records/shardCount + records/shardCount/32)
		s.mu.Unlock()
	}
}

// batchSlots are collected before they are inserted, shard by shard: 256 tables
// visited in turn would miss the processor's cache for every entry.
const batchSlots = 1 << 16

// voidFound removes a slot found at Open whose record was dropped.
func (c *Cache) voidFound(hash, seq uint64) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.index.at(hash); sl != nil && sl.epoch == 0 && sl.seq() < seq {
		c.removeSlot(s, hash)
	}
}

func (c *Cache) voidAll(seq uint64) {
	for i := range c.shards {
		for _, sl := range c.shards[i].all() {
			c.voidFound(sl.hash, seq)
		}
	}
}

func (c *Cache) peekSlot(hash uint64) (slot, bool) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.index.at(hash); sl != nil {
		return *sl, true
	}
	return slot{}, false
}
