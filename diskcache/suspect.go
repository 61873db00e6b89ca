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
func (c *Cache) Confirm(key, version string, f Fence) bool {
	hash := c.hash(key)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.clock.holds(hash, f) {
		return false
	}
	confirmed := false
	if it, ok := s.lru.Peek(hash); ok && it.key == key && it.version == version {
		it.epoch = f.epoch
		confirmed = true
	}
	sl, ok := s.slots[hash]
	if ok && sl.version == c.versionHash(key, version) {
		sl.epoch = f.epoch
		s.slots[hash] = sl
		confirmed = true
	}
	return confirmed
}
