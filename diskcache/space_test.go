package diskcache

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"syscall"
	"testing"
)

// shared is a file system of 100 GiB that others write to as well.
type shared struct{ free atomic.Int64 }

func (s *shared) statfs() (total, free int64, err error) { return 100 << 30, s.free.Load(), nil }

// set leaves so much, and has the cache see it at once and never look again: what it
// deletes is not counted here.
func (s *shared) set(c *Cache, free int64) {
	s.free.Store(free)
	c.disk.gate.lock()
	defer c.disk.gate.unlock()
	c.disk.space.sampled = 0
	c.disk.room()
	c.disk.space.sampled = math.MaxInt64
}

// TestRecordThatCannotFitEvictsNothing: others have left some room, but less than this
// record needs, or it is too large anyway.
func TestRecordThatCannotFitEvictsNothing(t *testing.T) {
	var fs shared
	fs.free.Store(80 << 30)
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}, statfs: fs.statfs})
	for i := range 100 {
		mustPut(t, c, fmt.Sprint(i), NewView(content("k", 1, 5000)), "v")
	}
	evicted := c.Stats().Evicted
	for what, tc := range map[string]struct {
		room int64
		size int
		want error
	}{
		"too large for MaxBytes":     {16 << 20, 9 << 20, ErrTooLarge},
		"too large for what is left": {1 << 20, 6 << 20, syscall.ENOSPC},
		"over half of what is left":  {1 << 20, 1 << 20, syscall.ENOSPC},
	} {
		fs.set(c, 5<<30+tc.room)
		if err := c.Put("large", NewView(noise(tc.size)), Meta{}, c.Fence("large")); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", what, err)
		}
		if st := c.Stats(); st.Evicted != evicted {
			t.Errorf("%s: %d segments are evicted", what, st.Evicted-evicted)
		}
	}
	fs.set(c, 80<<30)
	for i := range 100 {
		wantHit(t, c, fmt.Sprint(i), content("k", 1, 5000))
	}
}

// TestNoPutPaysForAllThatHasToGo: others fill the file system, and a cache of many
// small records has to give nearly all of its place. Each Put evicts a share, or one
// segment; what is not evicted yet is served; and in the end there is room again.
func TestNoPutPaysForAllThatHasToGo(t *testing.T) {
	var fs shared
	fs.free.Store(80 << 30)
	c := open4test(t, newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}, statfs: fs.statfs})
	const n = 50_000
	for i := range n {
		mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
	}
	largest := int64(0)
	for _, s := range c.disk.table.all() {
		largest = max(largest, int64(s.records)+segmentWork)
	}
	left := c.disk.bytes / 10
	fs.set(c, 5<<30-(c.disk.bytes-left))
	refused := 0
	for ; ; refused++ {
		before := c.disk.forgotten
		err := c.Put("new", NewView([]byte("y")), Meta{}, c.Fence("new"))
		if did := c.disk.forgotten - before; did > evictWork+largest+1 {
			t.Fatalf("one Put forgot %d, a segment counts %d", did, largest)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, errRoomLater) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if st := c.Stats(); refused == 2 && st.Entries < n/2 {
			t.Errorf("%d of %d entries are left at once", st.Entries, n)
		}
		wantHit(t, c, fmt.Sprint(n-1), []byte("x"))
	}
	if refused < 5 {
		t.Errorf("%d Puts did it", refused)
	}
	wantHit(t, c, "new", []byte("y"))
	if st := c.Stats(); st.DiskBytes > left || st.Entries < n/20 {
		t.Errorf("%d bytes, %d should be left; %d entries", st.DiskBytes, left, st.Entries)
	}
}

// Others have filled the file system, and more is missing than the cache has. Nothing fits
// any more, and still each Put gives back its share.
func TestCacheGivesBackWhatOthersNeed(t *testing.T) {
	var fs shared
	fs.free.Store(80 << 30)
	c := open4test(t, newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}, statfs: fs.statfs})
	for i := range 200 {
		mustPut(t, c, fmt.Sprint(i), NewView(content("k", 1, 200<<10)), "v")
	}
	before := c.Stats().DiskBytes
	fs.set(c, 1<<30) // 4 GiB less than a twentieth; the cache has 40 MiB of it
	for i := range 1000 {
		key := fmt.Sprint("new", i)
		_ = c.Put(key, NewView([]byte("x")), Meta{}, c.Fence(key))
	}
	if after := c.Stats().DiskBytes; after > before/2 {
		t.Errorf("%d of %d bytes are still taken after 1000 Puts, with a hundredth of the file system free", after, before)
	}
}
