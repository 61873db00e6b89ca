package diskcache

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// closeSegment puts others until the segment of probation is another.
func closeSegment(t *testing.T, c *Cache) {
	t.Helper()
	before := c.disk.active[probation]
	for i := 0; c.disk.active[probation] == before; i++ {
		mustPut(t, c, fmt.Sprint("fill", i), NewView(noise(int(c.disk.segmentBytes/16))), "v")
	}
}

// TestDropBetweenACopyAndItsSlotVoidsTheCopy, though the original has been evicted
// meanwhile, and so the key has no slot. The process is killed before the copy is known.
func TestDropBetweenACopyAndItsSlotVoidsTheCopy(t *testing.T) {
	var meanwhile func()
	var writes atomic.Int64 // of 50 KB and more, up to that one
	dir := newDir(t)
	o := Options{MaxBytes: 256 << 20, MemoryBytes: -1, Keys: testKeys{},
		wrap: onlySegments(func(b []byte, _ int64, write func() (int, error)) (int, error) {
			n, err := write()
			if len(b) > 50_000 && writes.Add(-1) == 0 {
				meanwhile()
			}
			return n, err
		})}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView(content("k", 1, 200<<10)), "v") // two chunks, in a segment
	wantHit(t, c, "k", content("k", 1, 200<<10))
	closeSegment(t, c)
	var left map[string][]byte
	meanwhile = func() {
		evictFile(c, 1)
		c.Drop("k")
		left = onDisk(t, dir)
	}
	writes.Store(2) // the chunk behind the first, for which the gate is not needed
	reclaimOne(t, c)
	if left == nil {
		t.Fatal("not copied")
	}
	wantMiss(t, c, "k")
	o.wrap = nil
	wantMiss(t, open4test(t, writeFolder(t, left), o), "k")
}

// TestExpiredEntryIsNotCopied, used or not.
func TestExpiredEntryIsNotCopied(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, MaxAge: time.Minute})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		_, _ = c.Get("k")
		closeSegment(t, c)
		time.Sleep(2 * time.Minute)
		reclaimOne(t, c)
		if st := c.Stats(); st.Reinserted != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestLargeRecordIsUsedAnewOrGoes: that it was used once keeps its file for one turn.
func TestLargeRecordIsUsedAnewOrGoes(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}})
	data := noise(1 << 20)
	mustPut(t, c, "k", NewView(data), "v")
	for range 2 {
		wantHit(t, c, "k", data)
		reclaimOne(t, c)
	}
	wantHit(t, c, "k", data)
	reclaimOne(t, c)
	reclaimOne(t, c)
	wantMiss(t, c, "k")
}
