package diskcache

// What the disk tier asks of the index; see indexer.

// setSlot needs the shard's lock. If the table has to grow, slots of deleted
// files are left behind; an older record of their keys may be in another file.
func (c *Cache) setSlot(s *shard, sl slot) {
	before := s.index.count
	s.index.set(sl, func(old slot) bool {
		held := c.disk.table.holds(old)
		if !held {
			c.disk.strays.add(old.hash)
		}
		return held
	})
	c.entries.Add(int64(s.index.count - before))
}

func (c *Cache) removeSlot(s *shard, hash uint64) {
	before := s.index.count
	s.index.remove(hash)
	c.entries.Add(int64(s.index.count - before))
}

func (c *Cache) current(hash uint64, file, off uint32) (sl slot, hot, ok bool) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.index.at(hash)
	if p == nil || p.file != file || p.off != off {
		return slot{}, false, false
	}
	hot = p.uses() > 0
	if it := s.ram.peek(hash); it != nil && it.mark.Load()&markDisk != 0 {
		hot = true
	}
	return *p, hot, true
}

func (c *Cache) forget(hash uint64, file uint32) bool {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.index.at(hash)
	if p == nil || p.file != file {
		return false
	}
	c.removeSlot(s, hash)
	return true
}

// moved keeps the epoch: a copy is as true as its original was.
func (c *Cache) moved(from, to slot) bool {
	s := c.shard(from.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.index.at(from.hash)
	if p == nil || p.file != from.file || p.off != from.off {
		return false
	}
	to.epoch = p.epoch
	*p = to
	if it := s.ram.peek(from.hash); it != nil {
		it.mark.And(^uint32(markDisk))
	}
	return true
}

func (c *Cache) writing(hash uint64, n int32) { c.clock.writing[hash%buckets].Add(n) }

// expired is asked about records that are about to be copied.
func (c *Cache) expiredNow(stored int64) bool { return c.ages.expired(stored, c.ages.now()) }
