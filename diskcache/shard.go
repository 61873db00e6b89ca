package diskcache

import "sync"

// shardCount bounds how many goroutines can meet at one lock, and how much of the
// index has to be copied when a part of it grows.
const shardCount = 256

// shard holds what is known about the keys whose hash falls on it: where their
// records are, and the plaintext of those used last. One lock covers every change
// of both, and the check of a fence as well, so index and memory cannot disagree
// about which record of a key is current.
type shard struct {
	mu    sync.Mutex
	index index
	ram   ram

	diskHits, misses uint64 // under mu

	_ [64]byte // keep neighbours' locks on other cache lines
}

// slot returns the slot of hash for a read, and counts it as a use.
func (s *shard) slot(hash uint64) (slot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.index.at(hash)
	if sl == nil {
		return slot{}, false
	}
	sl.use()
	return *sl, true
}

func (s *shard) missed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.misses++
}

// newest is the highest sequence number that the shard has for the hash.
func (s *shard) newest(hash uint64) uint64 {
	seq := uint64(0)
	if sl := s.index.at(hash); sl != nil {
		seq = sl.seq()
	}
	if it := s.ram.peek(hash); it != nil {
		seq = max(seq, it.seq)
	}
	return seq
}

// keep puts an item, whose cost has been reserved, into the memory tier. The one that it
// replaces ends before: else one Get could see the new one and the next the old one.
func (c *Cache) keep(s *shard, it *item) {
	c.release(s.ram.remove(it.hash))
	s.ram.put(it)
	c.shortcut.add(it)
}

// drop forgets the hash and returns the number of the file its record was in, or
// 0. It needs the shard's lock.
func (c *Cache) drop(s *shard, hash uint64) (file uint32) {
	if sl := s.index.at(hash); sl != nil {
		file = sl.file
		c.removeSlot(s, hash)
	}
	c.release(s.ram.remove(hash))
	return file
}

// dropSeq forgets the hash if it still stands for that record.
func (c *Cache) dropSeq(s *shard, hash, seq uint64) (was bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.index.at(hash); sl != nil && sl.seq() == seq {
		c.removeSlot(s, hash)
		was = true
	}
	if it := s.ram.peek(hash); it != nil && it.seq == seq {
		c.release(s.ram.remove(hash))
	}
	return was
}

// clear forgets everything.
func (c *Cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for it := s.ram.oldest; it != nil; it = it.newer {
			c.release(it)
		}
		s.ram.clear()
		c.entries.Add(-int64(s.index.count))
		s.index = index{}
		s.mu.Unlock()
	}
}
