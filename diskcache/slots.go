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

// uncovers must not rely on a slot alone: a record gets its slot a moment after it has
// been written, and loses it a moment before the drop that voids it has been. Both moments
// are as long as the scheduler wants. In between, the key counts as being written.
func (c *Cache) uncovers(e entry, file uint32) bool {
	if !e.replaces {
		return false
	}
	s := c.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p := s.index.at(e.hash); {
	case p == nil || p.seq() != e.seq: // void or succeeded, unless that is still under way
		return c.mayBeOnDisk(e.hash, 0, 0)
	case p.file != file: // it has been copied, or is the copy and has no slot yet
		return c.clock.writing[e.hash%buckets].Load() > 0
	}
	return true
}

// voided makes loading, which does not read the drops of this process, aware of one.
func (c *Cache) voided(e entry) {
	if !c.ready() {
		c.noteDrop(e.hash, e.seq+1)
	}
}

func (c *Cache) forget(hash uint64, file, off uint32) bool {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.index.at(hash)
	if p == nil || p.file != file || off != 0 && p.off != off {
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
