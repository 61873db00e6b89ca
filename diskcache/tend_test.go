package diskcache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// missesOfHot returns the share of misses among Gets of a hundred hot entries, a tenth
// of the cache. Each writer puts cold entries, reads ten hot ones for each, and puts
// again what it misses.
func missesOfHot(t *testing.T, writers int) float64 {
	const maxBytes, total = 4 << 20, 4800
	c := open4test(t, newDir(t), Options{MaxBytes: maxBytes, MemoryBytes: -1})
	put := func(key string) {
		if err := c.Put(key, NewView(noise(maxBytes/1000)), Meta{}, c.Fence(key)); err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	var misses atomic.Int64
	for w := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			for i := range total / writers {
				put(fmt.Sprint("cold", w, "-", i))
				for range 10 {
					key := fmt.Sprint("hot", rng.IntN(100))
					if _, err := c.Get(key); err != nil {
						misses.Add(1)
						put(key)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := c.disk.reclaim.coming.Load(); n != 0 {
		t.Errorf("%d bytes are coming for ever", n)
	}
	return float64(misses.Load()) / (10 * total)
}

// TestWhatIsUsedStaysHoweverManyWrite: reclaiming keeps up, so that no segment is thrown
// away without a look at what is used in it.
func TestWhatIsUsedStaysHoweverManyWrite(t *testing.T) {
	one, many := missesOfHot(t, 1), missesOfHot(t, 16)
	if one > 0.005 || many > one+0.005 {
		t.Errorf("misses of hot entries: %.4f with one writer, %.4f with sixteen", one, many)
	}
}

// TestPutDoesNotWaitForItsTurnForEver: whoever has it may be stuck in the device.
func TestPutDoesNotWaitForItsTurnForEver(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1})
		churn(t, c, 0, 500)
		c.disk.reclaim.turn.lock()
		defer c.disk.reclaim.turn.unlock()
		before := c.Stats().Evicted
		waited := false
		for i := 0; c.Stats().Evicted == before; i++ { // until there is no room
			began := time.Now()
			churn(t, c, 500+i, 1)
			took := time.Since(began)
			if took > stallTime {
				t.Fatalf("a Put took %v", took)
			}
			waited = waited || took > 0
		}
		if !waited {
			t.Error("nobody waited, and a segment was thrown away")
		}
	})
}

// TestSlotsGoWithTheEntriesThatLargeOnesPushOut: a few large records evict many small
// ones, whose slots would else be memory for nothing.
func TestSlotsGoWithTheEntriesThatLargeOnesPushOut(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 8 << 20, MemoryBytes: -1})
	for i := range 40_000 {
		mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
	}
	for i := range 40 { // five times the cache
		mustPut(t, c, fmt.Sprint("large", i), NewView(noise(1<<20)), "v")
	}
	live := 0
	for range c.All() {
		live++
	}
	if st := c.Stats(); st.Entries > live+sweepBatch {
		t.Errorf("%d slots for %d entries", st.Entries, live)
	}
}

// TestSegmentThatCouldNotBeSealedIsLookedThrough: what its records are is in memory
// only. What is used stays, and the slots of the others go.
func TestSegmentThatCouldNotBeSealedIsLookedThrough(t *testing.T) {
	var failing atomic.Bool
	layer := func(f file) file {
		if o, ok := f.(*os.File); !ok || !strings.HasSuffix(o.Name(), segmentSuffix) {
			return f
		}
		return hookedFile{f, func(b []byte, off int64, write func() (int, error)) (int, error) {
			if h, ok := parseHeader(b); failing.Load() && off >= fileHeader && ok && h.block() {
				return 0, syscall.EIO
			}
			return write()
		}}
	}
	c := open4test(t, newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: layer})
	mustPut(t, c, "hot", NewView([]byte("x")), "v")
	mustPut(t, c, "cold", NewView([]byte("y")), "v")
	first := c.disk.active[probation]
	failing.Store(true)
	for i := 0; c.disk.active[probation] == first; i++ {
		churn(t, c, i, 1)
	}
	failing.Store(false)
	if first.sealed || len(first.pending) == 0 {
		t.Fatal("it could be sealed")
	}
	c.disk.breaker.until.Store(0)
	for i := 10_000; c.disk.table.holds(slot{file: first.number}); i++ {
		if _, err := c.Get("hot"); err != nil {
			t.Fatal(err)
		}
		churn(t, c, i, 1)
	}
	wantHit(t, c, "hot", []byte("x"))
	churn(t, c, 20_000, 50)
	if _, ok := c.peekSlot(c.hash("cold")); ok {
		t.Error("the slot of what was evicted is left")
	}
	if _, err := c.Get("cold"); !errors.Is(err, ErrMiss) {
		t.Error(err)
	}
}
