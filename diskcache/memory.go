package diskcache

import "sync/atomic"

// memory is the budget of the memory tier. The items are in the shards, but the
// bytes are counted together: were they divided by 256, no entry above 1 MiB would
// ever be kept with the default budget.
type memory struct {
	budget int64
	used   atomic.Int64
	hand   atomic.Uint64
}

// admits is false for entries so large that they would push out a good part of
// everything else. They are read from disk, where their size makes the read the
// smaller part of the work anyway.
func (m *memory) admits(cost int64) bool { return cost <= m.budget/4 }

// reserve takes cost bytes from the budget before the item is inserted and pushes
// out others until they fit, so that what is kept never exceeds the budget, not
// even between two steps. It takes a victim from one shard after the other; hashes
// are uniform, so this comes close to one order for all. It must not be called
// with a shard's lock held.
func (c *Cache) reserve(cost int64) {
	m := &c.memory
	m.used.Add(cost)
	for empty := 0; m.used.Load() > m.budget && empty < shardCount; {
		if c.evictItem(&c.shards[m.hand.Add(1)%shardCount]) {
			empty = 0
		} else {
			empty++
		}
	}
}

// evictItem removes one item. What it knows of hits goes to the slot: the disk
// tier has not seen them.
func (c *Cache) evictItem(s *shard) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.ram.evict()
	if it == nil {
		return false
	}
	c.release(it)
	if sl := s.index.at(it.hash); sl != nil && it.mark.Load()&markDisk != 0 {
		sl.use()
	}
	return true
}

func (m *memory) unreserve(cost int64) { m.used.Add(-cost) }

// release ends an item that has been taken out of its shard: from here on nobody finds
// it, and its bytes are given back. It needs the shard's lock. Nil is nothing.
func (c *Cache) release(it *item) {
	if it == nil {
		return
	}
	it.mark.Or(markGone)
	c.shortcut.forget(it)
	c.shortcut.items.Add(-1)
	c.memory.used.Add(-it.cost())
}
