package diskcache

import (
	"iter"
)

// Stats are counts since Open, and sizes at this moment. They hold no key.
type Stats struct {
	Entries       int   // on disk; while Loading, those found so far
	Segments      int   // files on disk, those of drops not counted
	DiskBytes     int64 // of all of them and of drops, rounded up to 4 KiB each
	MemoryEntries int   // of which most are on disk as well
	MemoryBytes   int64 // overhead included
	Groups        int
	Loading       bool // what was found at Open is not served yet

	MemoryHits uint64
	DiskHits   uint64
	Misses     uint64

	Fenced     uint64 // Puts refused by their fence
	Expired    uint64 // entries found older than MaxAge
	Damaged    uint64 // records that did not authenticate
	Evicted    uint64 // segments deleted to make room
	Reinserted uint64 // records copied from there because they were used
	Scanned    uint64 // segments whose index had to be made anew at start
	DiskErrors uint64 // reads, writes and deletions that failed
	Bypassed   uint64 // times that a failing disk was given a rest
}

// Stats takes each lock for a moment, one after the other: the numbers need
// not be of exactly the same instant.
func (c *Cache) Stats() Stats {
	d := c.disk
	st := Stats{
		Entries:     int(c.entries.Load()),
		MemoryBytes: c.memory.used.Load(),
		Groups:      d.groups.count(),
		Loading:     !c.ready(),
		Fenced:      c.fenced.Load(),
		Expired:     c.expired.Load(),
		Damaged:     c.damaged.Load(),
		Scanned:     c.scanned.Load(),
		Evicted:     d.evicted.Load(),
		Reinserted:  d.reinserted.Load(),
		DiskErrors:  d.failures.Load(),
		Bypassed:    d.breaker.tripped.Load(),
	}
	st.DiskBytes, st.Segments = d.usage()
	st.MemoryHits = c.memoryHits.sum()
	for i := range c.shards {
		c.shards[i].addTo(&st)
	}
	return st
}

func (s *shard) addTo(st *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.MemoryEntries += s.ram.count
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
	slots := make([]slot, 0, s.index.count)
	for _, sl := range s.index.slots {
		if sl.file != 0 {
			slots = append(slots, sl)
		}
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
	if sl.epoch == 0 && !c.ready() {
		return "", Meta{}, false
	}
	key, m, stored, err := c.disk.readMeta(sl)
	if err != nil || c.ages.expired(stored, c.ages.now()) {
		return "", Meta{}, false
	}
	return key, m, true
}
