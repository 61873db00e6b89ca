package diskcache

import (
	"hash/maphash"
	"sync/atomic"
)

// shortcut finds items without the hash that the index needs: that one is keyed and
// stays the same across restarts, so it is SipHash, which takes a third of a hit. This
// one is the processor's own, seeded by each process.
//
// It is two cells for each of many hashes, and no more than a hint: what is not in it is
// in the shards. So whoever finds both cells taken leaves them alone (were he to push
// out another one, two cores that ask for two keys would fight over a cache line), and a
// table that has become too small is replaced by an empty one, which hits fill again.
// Removed items carry a mark and are taken out: a plaintext that has been dropped must
// not stay in memory because of a hint.
type shortcut struct {
	seed  maphash.Seed
	cells atomic.Pointer[[]shortcutPair]
	items atomic.Int64 // in all shards
}

type shortcutPair [2]atomic.Pointer[item]

const (
	leastPairs   = 1 << 8
	pairsPerItem = 2 // at least, so that one item in thirty finds no place
)

func (x *shortcut) init() {
	x.seed = maphash.MakeSeed()
	x.resize(leastPairs)
}

func (x *shortcut) resize(pairs int) {
	cells := make([]shortcutPair, pairs)
	x.cells.Store(&cells)
}

func (x *shortcut) tag(key string) uint32 { return uint32(maphash.String(x.seed, key)) }

// pair returns where items with that tag may be.
func (x *shortcut) pair(tag uint32) *shortcutPair {
	cells := *x.cells.Load()
	return &cells[tag&uint32(len(cells)-1)]
}

// find returns the item of key, or nil, which says nothing. It needs no lock. The item
// may be one that has been removed.
func (x *shortcut) find(tag uint32, key string) *item {
	p := x.pair(tag)
	for i := range p {
		if it := p[i].Load(); it != nil && it.tag == tag && it.key == key {
			return it
		}
	}
	return nil
}

// offer puts in an item that is in its shard. It needs no lock: either this sees that
// the item has been removed meanwhile, or [shortcut.forget] sees it here.
func (x *shortcut) offer(it *item) {
	p := x.pair(it.tag)
	for i := range p {
		if p[i].Load() == it {
			return
		}
	}
	for i := range p {
		if p[i].CompareAndSwap(nil, it) {
			break
		}
	}
	if it.gone() {
		x.forget(it)
	}
}

// add is offer for a new item.
func (x *shortcut) add(it *item) {
	if n := int(x.items.Add(1)); n*pairsPerItem > len(*x.cells.Load()) {
		x.resize(2 * len(*x.cells.Load()))
	}
	x.offer(it)
}

// forget takes out an item that has got its mark.
func (x *shortcut) forget(it *item) {
	p := x.pair(it.tag)
	for i := range p {
		p[i].CompareAndSwap(it, nil)
	}
}
