package diskcache

// Fence captures the present moment of key. Capture it before the fetch, or
// the write, whose result is to be inserted or confirmed.
func (c *Cache) Fence(key string) Fence { return c.clock.now(c.hash(key)) }

// Suspect makes every entry stored before suspect, and kills every fence.
// It takes a few nanoseconds however many entries there are: each carries the
// epoch in which it was known to be true.
func (c *Cache) Suspect() { c.clock.epoch.Add(1) }

// Confirm says that the source has just named version as the current one of
// key: the entry is no longer suspect. It is false, and nothing changes, if
// the fence captured before asking has moved, or the entry is another version
// or gone. The confirmation is not kept across a restart.
//
// The version of an entry that is not in memory is read from disk first; it is
// the record that was read which is confirmed, or none.
func (c *Cache) Confirm(key, version string, f Fence) bool {
	hash := c.hash(key)
	s := c.shard(hash)
	read, onDisk := c.versionOnDisk(s, hash, key, version)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed.Load() || !c.clock.holds(hash, f) {
		return false
	}
	confirmed := false
	if it := s.ram.peek(hash); it != nil && it.key == key && it.meta.Version == version {
		it.epoch.Store(f.epoch)
		confirmed = true
		// The slot is of the same record, or of none.
		if sl := s.index.at(hash); sl != nil && sl.seq() == it.seq {
			sl.epoch = slotEpoch(f.epoch)
		}
	}
	if sl := s.index.at(hash); onDisk && sl != nil && sl.seq() == read.seq() {
		sl.epoch = slotEpoch(f.epoch)
		confirmed = true
	}
	return confirmed
}

// versionOnDisk returns the slot of key if it is not in memory and its record is
// of that version.
func (c *Cache) versionOnDisk(s *shard, hash uint64, key, version string) (slot, bool) {
	if s.ram.find(hash, key) != nil || !c.enter() {
		return slot{}, false
	}
	defer c.leave()
	sl, ok := c.usable(s, hash)
	if !ok {
		return slot{}, false
	}
	found, m, _, err := c.disk.readMeta(sl)
	return sl, err == nil && found == key && m.Version == version
}
