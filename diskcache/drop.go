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
	// From here to the end of this call the key has records, but no slot.
	c.writing(hash, 1)
	defer c.writing(hash, -1)
	s.mu.Lock()
	c.clock.revoke(hash)
	file := c.drop(s, hash)
	s.mu.Unlock()
	if !c.ready() {
		c.noteDrop(hash, c.disk.seq.Load()+1)
	}
	if c.mayBeOnDisk(hash, file, 1) {
		c.writeDrop(hash, file)
	}
}

// noteDrop makes loading aware of a drop. It may end in between, with the slot found
// after it was removed.
func (c *Cache) noteDrop(hash, seq uint64) {
	if !c.loading.note(hash, seq) {
		c.voidFound(hash, seq)
	}
}

// mayBeOnDisk reports whether there may be a record of the hash, whose slot was in
// file (0: it had none). Peers announce keys that were never stored here, by the
// thousand; without a slot there is a record only if it is being written or dropped, by
// others than the caller, or not yet loaded, or a stray.
func (c *Cache) mayBeOnDisk(hash uint64, file uint32, own int32) bool {
	return file != 0 || !c.ready() || c.clock.writing[hash%buckets].Load() > own ||
		c.dropping.Load() > 0 || c.disk.strays.has(hash)
}

// writeDrop notes the drop and deletes the file of a large record. It comes after
// the generation has moved: a Put whose fence held when it drew its sequence
// number has a lower one than this.
func (c *Cache) writeDrop(hash uint64, file uint32) {
	if err := c.disk.drop(hash); err != nil && c.worthSaying(err) {
		c.log.Error("diskcache: a dropped or replaced entry may be found again, as suspect, after a restart", "error", err)
	}
	c.disk.retire(file)
}

// worthSaying is false for all but the first error of each time that the disk is
// bypassed.
func (c *Cache) worthSaying(err error) bool {
	trip := c.disk.breaker.tripped.Load()
	return !bypassed(err) || c.said.Swap(trip) != trip
}

// Revoke moves the generation of key: fences captured before are dead. The
// entry stays. It is for a write that has been announced and may or may not
// happen.
func (c *Cache) Revoke(key string) {
	if !c.enter() { // else Shred could change the hash in between
		return
	}
	defer c.leave()
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
	c.loading.noteAll(c.disk.seq.Add(1))
	// From here to the end of this call there are records without slots.
	c.dropping.Add(1)
	defer c.dropping.Add(-1)
	c.clear()
	if err := c.disk.dropAll(); err != nil {
		c.log.Error("diskcache: dropped entries may be found again, as suspects, after a restart", "error", err)
	}
}

// dropAll deletes every segment. A drop says so before, since of two records of a key the
// newer one may be deleted first, and the process killed; and after, for a large record
// whose file is being written at this moment: it must not come back if the process dies
// before its writer notices that it has been fenced.
func (d *disk) dropAll() error {
	if !d.reclaim.turn.tryLock() {
		d.strays.addAll()
		return errStalled
	}
	defer d.reclaim.turn.unlock()
	d.quit()
	if !d.gate.tryLock() {
		d.strays.addAll()
		return errStalled
	}
	defer d.gate.unlock()
	if !d.closed {
		_ = d.frame(frameDropAll, 0, 0) // on a full disk there is room only after
	}
	for _, s := range d.table.all() {
		d.delete(s)
	}
	d.prune()
	if d.closed {
		return nil
	}
	return d.dropLocked(frameDropAll, 0, 0)
}
