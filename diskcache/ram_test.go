package diskcache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// TestMemoryTierAgreesWithAMap, its list with its table.
func TestMemoryTierAgreesWithAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	var r ram
	want := make(map[uint64]*item)
	for i := range 50_000 {
		hash := rng.Uint64N(300) << 8 // crowded
		key := fmt.Sprint(hash)
		switch rng.IntN(5) {
		case 0, 1:
			it := &item{hash: hash, key: key}
			if old := r.put(it); old != want[hash] {
				t.Fatal("put did not return what it replaced")
			}
			want[hash] = it
		case 2:
			if it := r.remove(hash); it != want[hash] {
				t.Fatal("remove did not return what it removed")
			}
			delete(want, hash)
		case 3:
			if it := r.find(hash, key); it != nil {
				it.mark.Store(markRAM)
			}
		case 4:
			if it := r.evict(); it != nil {
				delete(want, it.hash)
			} else if len(want) > 0 {
				t.Fatal("nothing to evict")
			}
		}
		if r.find(hash, key) != want[hash] || r.find(hash, "another key") != nil || r.count != len(want) {
			t.Fatal("step", i)
		}
	}
	n := 0
	for it := r.oldest; it != nil; it = it.newer {
		if want[it.hash] != it || it.newer != nil && it.newer.older != it {
			t.Fatal("the list is broken")
		}
		n++
	}
	if n != len(want) {
		t.Error(n, "in the list,", len(want), "stored")
	}
}

// TestHitItemsAreEvictedLast: one use between two rounds of eviction is enough.
func TestHitItemsAreEvictedLast(t *testing.T) {
	var r ram
	for i := range uint64(100) {
		r.put(&item{hash: i << 8, key: fmt.Sprint(i)})
	}
	for i := uint64(0); i < 100; i += 10 {
		r.find(i<<8, fmt.Sprint(i)).mark.Store(markRAM)
	}
	for range 90 {
		if it := r.evict(); it.hash>>8%10 == 0 {
			t.Fatal("evicted", it.key, "which was hit")
		}
	}
}

// TestReadersWithoutALockSeeWholeItems while others put, remove and make the table
// grow.
func TestReadersWithoutALockSeeWholeItems(t *testing.T) {
	t.Parallel()
	c := open4test(t, newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: 200 << 10})
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				key := fmt.Sprint("key", i%600)
				if e, err := c.Get(key); err == nil && !is(e, content(key, len(e.Version), 300)) {
					t.Error("not what was stored under", key)
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 3000 {
				key := fmt.Sprint("key", (i*7+w)%600)
				version := "vvvvvvvv"[:1+i%8]
				err := c.Put(key, NewView(content(key, len(version), 300)), Meta{Version: version}, c.Fence(key))
				if err != nil && !errors.Is(err, ErrFenced) {
					t.Error(err)
				}
				if i%5 == 0 {
					c.Drop(key)
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if st := c.Stats(); st.MemoryHits == 0 || st.MemoryBytes > 200<<10 {
		t.Errorf("%+v", st)
	}
}
