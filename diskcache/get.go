package diskcache

import (
	"bytes"
	"errors"
)

// Get returns the entry of key, or [ErrMiss]. It never returns another error
// (ErrClosed is an ErrMiss): to a caller, a cache that fails is a cache that
// misses. Data is the memory tier's own; see [View]. A hit in memory allocates
// nothing, but for the copy of a blob that is not empty.
//
// An entry that is Suspect must be confirmed before it is used.
func (c *Cache) Get(key string) (Entry, error) {
	if c.closed.Load() {
		return Entry{}, ErrClosed
	}
	hash, now := c.hash(key), c.now()
	s := c.shard(hash)
	s.mu.Lock()
	if it, ok := s.lru.Get(hash); ok && it.key == key && !c.expiredAt(it.stored, now) {
		s.memoryHits++
		e := it.entry(c.clock.epoch.Load())
		s.mu.Unlock()
		return e, nil
	}
	s.mu.Unlock()
	return c.fromDisk(s, hash, key, now)
}

// fromDisk serves what is not in memory. The record is read without a lock,
// so the key may have been dropped or replaced meanwhile: then it starts over,
// for otherwise a caller could see new data first and old data after.
func (c *Cache) fromDisk(s *shard, hash uint64, key string, now int64) (Entry, error) {
	if !c.enter() {
		return Entry{}, ErrClosed
	}
	defer c.leave()
	sc := c.disk.getScratch()
	defer c.disk.putScratch(sc)
	for range 4 {
		sl, ok := s.slot(hash)
		if !ok {
			break
		}
		it, err := c.load(sl, key, sc)
		if err == nil && c.expiredAt(it.stored, now) {
			c.expired.Add(1)
			err = ErrMiss
		}
		if errors.Is(err, errOtherKey) {
			break
		}
		if err != nil {
			c.discard(s, hash, sl, err)
			continue // perhaps somebody has stored a new one
		}
		if e, ok := c.promote(s, hash, sl, it); ok {
			return e, nil
		}
	}
	s.mu.Lock()
	s.misses++
	s.mu.Unlock()
	return Entry{}, ErrMiss
}

func (s *shard) slot(hash uint64) (slot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl, ok := s.slots[hash]
	return sl, ok
}

// load reads an item from disk.
func (c *Cache) load(sl slot, key string, sc *scratch) (*item, error) {
	r, data, err := c.disk.read(sl, key, sc)
	if err != nil {
		return nil, err
	}
	return &item{
		key: key, version: string(r.version), blob: bytes.Clone(r.blob),
		data: data, stored: r.stored, seq: r.seq,
	}, nil
}

// discard forgets a record that could not be used.
func (c *Cache) discard(s *shard, hash uint64, sl slot, err error) {
	s.dropSeq(hash, sl.seq)
	switch {
	case errors.Is(err, ErrMiss), errors.Is(err, errGone):
	case errors.Is(err, errDamaged):
		c.damaged.Add(1)
		c.log.Warn("diskcache: damaged record, treated as a miss")
	default:
		c.disk.failures.Add(1)
		c.log.Warn("diskcache: unreadable record, treated as a miss", "error", err)
	}
}

// promote returns the item as an entry and keeps it in memory, unless the
// slot it came from is no longer the current one. Comparing the record's
// sequence number is a stricter guard than a fence: a drop removes the slot, a
// newer record replaces it, and both happen under this lock.
func (c *Cache) promote(s *shard, hash uint64, sl slot, it *item) (Entry, bool) {
	cost := it.cost()
	keep := c.memory.admits(cost)
	if keep {
		c.memory.reserve(&c.shards, cost)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current, ok := s.slots[hash]
	if !ok || current.seq != sl.seq {
		if keep {
			c.memory.unreserve(cost)
		}
		return Entry{}, false
	}
	it.epoch = current.epoch
	if keep {
		s.keep(hash, it)
	}
	s.diskHits++
	return it.entry(c.clock.epoch.Load()), true
}
