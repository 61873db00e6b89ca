package diskcache

import (
	"iter"
)

// Stats are counts since Open, and sizes at this moment. They hold no key.
type Stats struct {
	Entries       int   // on disk
	Segments      int   // files on disk
	DiskBytes     int64 // of all segments, rounded up to 4 KiB each
	MemoryEntries int   // of which most are on disk as well
	MemoryBytes   int64 // overhead included

	MemoryHits uint64
	DiskHits   uint64
	Misses     uint64

	Fenced     uint64 // Puts refused by their fence
	Expired    uint64 // entries found older than MaxAge
	Damaged    uint64 // records that did not authenticate
	Evicted    uint64 // segments deleted to make room
	DiskErrors uint64 // reads, writes and deletions that failed
}

// Stats takes each lock for a moment, one after the other: the numbers need
// not be of exactly the same instant.
func (c *Cache) Stats() Stats {
	st := Stats{
		MemoryBytes: c.memory.used.Load(),
		Fenced:      c.fenced.Load(),
		Expired:     c.expired.Load(),
		Damaged:     c.damaged.Load(),
		Evicted:     c.disk.evicted.Load(),
		DiskErrors:  c.disk.failures.Load(),
	}
	st.DiskBytes, st.Segments = c.disk.usage()
	for i := range c.shards {
		c.shards[i].addTo(&st)
	}
	return st
}

func (s *shard) addTo(st *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Entries += len(s.slots)
	st.MemoryEntries += s.lru.Len()
	st.MemoryHits += s.memoryHits
	st.DiskHits += s.diskHits
	st.Misses += s.misses
}

// All iterates over the entries on disk, in no order, with their keys; it is
// for tools. It reads the metadata of each from disk, and leaves out what has
// expired or is damaged. Entries that come or go meanwhile may be seen or not.
func (c *Cache) All() iter.Seq2[string, Meta] {
	return func(yield func(string, Meta) bool) {
		for i := range c.shards {
			for _, sl := range c.shards[i].all() {
				key, m, ok := c.meta(sl)
				if ok && !yield(key, m) {
					return
				}
			}
		}
	}
}

func (s *shard) all() []slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := make([]slot, 0, len(s.slots))
	for _, sl := range s.slots {
		slots = append(slots, sl)
	}
	return slots
}

// meta holds the cache open for one read only: the loop's body may take its
// time, or call Close.
func (c *Cache) meta(sl slot) (string, Meta, bool) {
	if !c.enter() {
		return "", Meta{}, false
	}
	defer c.leave()
	key, m, stored, err := c.disk.readMeta(sl)
	if err != nil || c.expiredAt(stored, c.now()) {
		return "", Meta{}, false
	}
	return key, m, true
}
