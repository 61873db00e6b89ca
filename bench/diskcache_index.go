package main

import (
	"runtime"

	lru "github.com/hashicorp/golang-lru/v2"
)

// where is what an index has to know of an entry, at least.
type where struct {
	file, offset, size uint32
	stored             int64
}

func somewhere(i int) where { return where{uint32(i), 0, entryBytes, int64(i)} }

// index notes the bytes of heap for each entry: of ours everything that is not on
// disk, of the peers an index of the same entries as caches of files have one.
func (c *crowd) index() error {
	r := result{
		Table: "diskcache: index", Case: quantityOf(c.count, "entries"), Unit: perEntry,
		Ours:  float64(liveHeap()-c.bare) / float64(c.count),
		Peers: map[string]float64{}, order: []string{"Go map", golangLRU},
	}
	runtime.KeepAlive(c.cache)
	r.Peers["Go map"] = heapPerEntry(c.count, func() any {
		m := map[string]where{}
		for i := range c.count {
			m[keyOf(i)] = somewhere(i)
		}
		return m
	})
	l, err := lru.New[string, where](c.count)
	if err != nil {
		return err
	}
	r.Peers[golangLRU] = heapPerEntry(c.count, func() any {
		for i := range c.count {
			l.Add(keyOf(i), somewhere(i))
		}
		return l
	})
	c.add(r, goal{most: 48})
	return nil
}

// heapPerEntry is what stays on the heap of what is made, for each of n.
func heapPerEntry(n int, made func() any) float64 {
	before := liveHeap()
	kept := made()
	after := liveHeap()
	runtime.KeepAlive(kept)
	return float64(after-before) / float64(n)
}

// liveHeap is the bytes of what is in use.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what pools held until the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
