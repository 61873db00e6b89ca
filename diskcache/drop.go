package diskcache

// Drop removes the entry of key and moves its generation: fences captured
// before are dead. When it returns, no Get that begins later sees the entry,
// not even in a process that starts after this one was killed. (After a power
// failure it may, as a suspect.)
func (c *Cache) Drop(key string) {
	if !c.enter() {
		return
	}
	defer c.leave()
	hash := c.hash(key)
	s := c.shard(hash)
	s.mu.Lock()
	c.clock.revoke(hash)
	file := s.drop(hash)
	s.mu.Unlock()
	// Also if there was no entry: a Put that has just been fenced may have
	// left its record on disk.
	c.writeDrop(key, file)
}

// writeDrop appends the record of a drop and deletes the file of a large
// record. It comes after the generation has moved: a Put whose fence held when
// it drew its sequence number has a lower one than this record.
func (c *Cache) writeDrop(key string, file uint64) {
	if key == "" || len(key) > maxKey {
		return // cannot have been stored
	}
	err := c.disk.appendDrop(record{kind: kindDrop, stored: c.now(), key: []byte(key)})
	if err != nil {
		c.log.Error("diskcache: a dropped or replaced entry may be found again, as suspect, after a restart", "error", err)
	}
	c.disk.retire(file)
}

// Revoke moves the generation of key: fences captured before are dead. The
// entry stays. It is for a write that has been announced and may or may not
// happen.
func (c *Cache) Revoke(key string) {
	hash := c.hash(key)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.clock.revoke(hash)
}

// DropAll removes every entry and kills every fence.
func (c *Cache) DropAll() {
	if !c.enter() {
		return
	}
	defer c.leave()
	// First the epoch, then the entries: an insert that checked its fence
	// before is removed, one that checks it after is refused.
	c.clock.epoch.Add(1)
	for i := range c.shards {
		c.shards[i].clear()
	}
	if err := c.disk.dropAll(c.now()); err != nil {
		c.log.Error("diskcache: dropped entries may be found again, as suspects, after a restart", "error", err)
	}
}
