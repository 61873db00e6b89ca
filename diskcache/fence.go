package diskcache

import "sync/atomic"

// Fence remembers a moment in the life of one key: the key's generation, the
// epoch of suspicion and how many groups had been shredded. It is captured before
// a fetch, or before a write whose result is to be inserted; the insert is refused
// if the key's generation or the epoch has moved, or the entry's group has been
// shredded since.
//
// Without it, a slow fetch that started before a write and ended after the
// invalidation would put the old value back, for good ("fill race"; R. Nishtala
// et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1, calls the
// same token a lease).
//
// The zero Fence never holds, so forgetting to capture one inserts nothing.
// Fences are comparable and belong to the Cache and key that made them.
type Fence struct {
	generation uint64
	epoch      uint64
	shreds     uint64
}

// buckets is the number of generation counters. A table of fixed size cannot
// be grown by hostile keys; two keys that share a counter cost each other a
// refused insert now and then, never a wrong one.
const buckets = 1 << 16

// clock holds what fences are compared with.
type clock struct {
	// epoch starts at 1: entries found on disk carry 0 and so are suspect,
	// and the zero Fence can match nothing.
	epoch       atomic.Uint64
	generations [buckets]atomic.Uint64

	// writing counts, for each bucket, records that may be on disk without being in
	// the index yet, or any more: a Drop that finds no entry must void those, too, and
	// so must whoever deletes one.
	writing [buckets]atomic.Int32

	shreds   atomic.Uint64
	shredded [1 << 12]atomic.Uint64 // by hash of the group: the last shred
}

// now captures the fence of the key with this hash. Several loads are enough:
// whatever moves between them moves a counter that was captured before, or is
// part of the past of this fence.
func (c *clock) now(hash uint64) Fence {
	bucket := hash % buckets
	// The bucket number in the upper bits makes a fence useless for a key of
	// another bucket, should a caller mix them up.
	return Fence{
		generation: bucket<<48 | c.generations[bucket].Load()&(1<<48-1),
		epoch:      c.epoch.Load(),
		shreds:     c.shreds.Load(),
	}
}

func (c *clock) holds(hash uint64, f Fence) bool {
	now := c.now(hash)
	return now.generation == f.generation && now.epoch == f.epoch
}

// allows reports whether a fence is young enough for an entry of the group.
func (c *clock) allows(g groupID, f Fence) bool {
	return g == groupID{} || c.shredded[g.hash%uint64(len(c.shredded))].Load() <= f.shreds
}

// revoke must be called under the lock of the key's shard. Inserts check
// their fence under that lock, so an insert is over before the counter moves,
// or refused after.
func (c *clock) revoke(hash uint64) { c.generations[hash%buckets].Add(1) }

// shred kills, for entries of the group, every fence captured so far.
func (c *clock) shred(g uint64) {
	c.shredded[g%uint64(len(c.shredded))].Store(c.shreds.Add(1))
}

// slotEpoch is an epoch as a slot keeps it. After four thousand million calls of
// Suspect the number stops: entries are then suspect for good, never believed.
func slotEpoch(epoch uint64) uint32 { return uint32(min(epoch, 1<<32-2)) }
