package diskcache

import "sync/atomic"

// itemOverhead estimates what an item costs besides its bytes: itself, up to
// four cells of the table and eight of the shortcut, and what size classes waste.
const itemOverhead = 384

// ram is one shard's part of the memory tier. Reading takes no lock, so that hits
// scale with cores: the table is an array of atomic pointers, probed linearly;
// writers hold the shard's lock, put a new item where the old one was in one
// store, and publish a new array when it must grow. A hit writes nothing but a
// mark, and that only once between two evictions, so that cores do not fight over
// a cache line either. The order of eviction is SIEVE's (Y. Zhang et al., "SIEVE
// is Simpler than LRU", NSDI 2024), which needs no more than such a mark.
type ram struct {
	cells atomic.Pointer[[]atomic.Pointer[item]]
	used  int // cells that are not nil
	count int // items

	newest, oldest, hand *item
}

// removed fills the cell of an item that is gone, so that probing goes on behind
// it. No key is empty, so nobody finds it.
var removed = new(item)

// find returns the item of key, or nil. It needs no lock.
func (r *ram) find(hash uint64, key string) *item {
	cells := r.cells.Load()
	if cells == nil {
		return nil
	}
	mask := uint64(len(*cells) - 1)
	for i := hash >> 8; ; i++ {
		it := (*cells)[i&mask].Load()
		if it == nil {
			return nil
		}
		if it.hash == hash && it.key == key && it != removed {
			return it
		}
	}
}

// cell returns where the item with that hash is, or nil. Like everything below
// it needs the shard's lock.
func (r *ram) cell(hash uint64) *atomic.Pointer[item] {
	cells := r.cells.Load()
	if cells == nil {
		return nil
	}
	mask := uint64(len(*cells) - 1)
	for i := hash >> 8; ; i++ {
		c := &(*cells)[i&mask]
		switch it := c.Load(); {
		case it == nil:
			return nil
		case it.hash == hash && it != removed:
			return c
		}
	}
}

func (r *ram) peek(hash uint64) *item {
	if c := r.cell(hash); c != nil {
		return c.Load()
	}
	return nil
}

// put stores it and returns the item of that hash that it replaced, or nil.
func (r *ram) put(it *item) *item {
	if c := r.cell(it.hash); c != nil {
		old := c.Load()
		c.Store(it)
		r.unlink(old)
		r.link(it)
		return old
	}
	r.grow()
	settleIn(*r.cells.Load(), it)
	r.used++
	r.link(it)
	return nil
}

func settleIn(cells []atomic.Pointer[item], it *item) {
	mask := uint64(len(cells) - 1)
	for i := it.hash >> 8; ; i++ {
		if c := &cells[i&mask]; c.Load() == nil {
			c.Store(it)
			return
		}
	}
}

// grow makes sure that at most half of the cells are in use.
func (r *ram) grow() {
	cells := r.cells.Load()
	if cells != nil && 2*(r.used+1) <= len(*cells) {
		return
	}
	n := 8
	for n < 4*(r.count+1) {
		n *= 2
	}
	bigger := make([]atomic.Pointer[item], n)
	for it := r.oldest; it != nil; it = it.newer {
		settleIn(bigger, it)
	}
	r.used = r.count
	r.cells.Store(&bigger)
}

// remove returns what it removed, or nil.
func (r *ram) remove(hash uint64) *item {
	c := r.cell(hash)
	if c == nil {
		return nil
	}
	it := c.Load()
	c.Store(removed)
	r.unlink(it)
	return it
}

// evict removes the item whose turn it is, or returns nil.
func (r *ram) evict() *item {
	it := r.hand
	if it == nil {
		it = r.oldest
	}
	for it != nil && it.mark.Load()&markRAM != 0 {
		it.mark.And(^uint32(markRAM))
		if it = it.newer; it == nil {
			it = r.oldest
		}
	}
	if it == nil {
		return nil
	}
	r.hand = it
	return r.remove(it.hash)
}

func (r *ram) link(it *item) {
	it.older, it.newer = r.newest, nil
	if r.newest != nil {
		r.newest.newer = it
	} else {
		r.oldest = it
	}
	r.newest = it
	r.count++
}

func (r *ram) unlink(it *item) {
	if r.hand == it {
		r.hand = it.newer
	}
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		r.newest = it.older
	}
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		r.oldest = it.newer
	}
	it.newer, it.older = nil, nil
	r.count--
}

func (r *ram) clear() {
	r.cells.Store(nil)
	r.used, r.count = 0, 0
	r.newest, r.oldest, r.hand = nil, nil, nil
}
