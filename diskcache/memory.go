package diskcache

import "sync/atomic"

// memory is the budget of the memory tier. The items are in the shards, each
// with its own LRU list, but the bytes are counted together: were they divided
// by 64, no entry above 4 MiB would ever be kept with the default budget.
type memory struct {
	budget int64
	used   atomic.Int64
	hand   atomic.Uint64
}

// admits is false for entries so large that they would push out a good part
// of everything else. They are read from disk, where their size makes the
// read the smaller part of the work anyway.
func (m *memory) admits(cost int64) bool { return cost <= m.budget/4 }

// reserve takes cost bytes from the budget before the item is inserted and
// pushes out others until they fit, so that what is kept never exceeds the
// budget, not even between two steps. It takes the oldest item of one shard after the other; hashes are uniform, so
// this comes close to the oldest items of all. It must not be called with a
// shard's lock held.
func (m *memory) reserve(shards *[shardCount]shard, cost int64) {
	m.used.Add(cost)
	for empty := 0; m.used.Load() > m.budget && empty < shardCount; {
		s := &shards[m.hand.Add(1)%shardCount]
		s.mu.Lock()
		_, _, removed := s.lru.RemoveOldest()
		s.mu.Unlock()
		if removed {
			empty = 0
		} else {
			empty++
		}
	}
}

func (m *memory) unreserve(cost int64) { m.used.Add(-cost) }
