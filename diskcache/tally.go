package diskcache

import (
	"sync/atomic"
	"unsafe"
)

// tally counts what happens on all cores at once. A counter that two cores add to
// moves between their caches with every addition, at 50 ns or more, which is a hit in
// memory once over. Goroutines have stacks at different addresses; by these they are
// spread over counters that are apart.
type tally [64]struct {
	n atomic.Uint64
	_ [56]byte // a cache line
}

// stackGrain is below the size of the smallest stack, in bits.
const stackGrain = 11

func (t *tally) add() {
	var here byte
	t[uintptr(unsafe.Pointer(&here))>>stackGrain%uintptr(len(t))].n.Add(1)
}

func (t *tally) sum() (n uint64) {
	for i := range t {
		n += t[i].n.Load()
	}
	return n
}
