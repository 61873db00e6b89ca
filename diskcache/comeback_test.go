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

// wantNoneBack opens what a killed process would have left, after all keys have been
// dropped.
func wantNoneBack(t *testing.T, c *Cache, dir string, o Options, keys []string) {
	t.Helper()
	for _, key := range keys {
		c.Drop(key)
	}
	o.wrap = nil
	killed := open4test(t, writeFolder(t, onDisk(t, dir)), o)
	back := 0
	for _, key := range keys {
		if _, err := killed.Get(key); err == nil {
			back++
		}
	}
	if back > 0 {
		t.Errorf("%d of %d keys, all dropped, came back (%+v)", back, len(keys), c.Stats())
	}
}

// TestDroppedStayDroppedWhereEverythingIsUsed: each entry is read once after it was
// put, so that all of probation moves, and makes room for its own copies.
func TestDroppedStayDroppedWhereEverythingIsUsed(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4} {
		for _, size := range []int{300, 3000, 7000} {
			dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
			c := open4test(t, dir, o)
			n := 2 << 20 / size / workers
			var keys []string
			var wg sync.WaitGroup
			for w := range workers {
				name := func(i int) string { return fmt.Sprint("k", w, "-", i) }
				for i := range n {
					keys = append(keys, name(i))
				}
				wg.Go(func() {
					for i := range n {
						_ = c.Put(name(i), NewView(noise(size)), Meta{Version: "v"}, c.Fence(name(i)))
						_, _ = c.Get(name(i))
					}
				})
			}
			wg.Wait()
			if st := c.Stats(); st.Reinserted == 0 {
				t.Errorf("nothing moved: %+v", st)
			}
			wantNoneBack(t, c, dir, o, keys)
		}
	}
}

// TestDroppedStayDroppedInAnyMix of Puts, Drops and Gets of few keys.
func TestDroppedStayDroppedInAnyMix(t *testing.T) {
	for seed := range uint64(2) {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
		c := open4test(t, dir, o)
		var keys []string
		for i := range 300 {
			keys = append(keys, fmt.Sprint("k", i))
		}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(w)))
				for i := range 2000 {
					key := keys[rng.IntN(len(keys))]
					switch rng.IntN(10) {
					case 0, 1, 2:
						_ = c.Put(key, NewView(noise(200+rng.IntN(20_000))), Meta{Version: fmt.Sprint(i)}, c.Fence(key))
					case 3:
						c.Drop(key)
					default:
						_, _ = c.Get(key)
					}
				}
			})
		}
		wg.Wait()
		wantNoneBack(t, c, dir, o, keys)
	}
}

// evictFile is what making room does, to one segment.
func evictFile(c *Cache, number uint32) {
	s := c.disk.table.acquire(number)
	defer s.release()
	c.disk.gate.lock()
	defer c.disk.gate.unlock()
	c.disk.evict(s)
}

// written puts a record on disk and leaves the rest of a Put to the caller.
func written(t *testing.T, c *Cache, key, data string) (commit func()) {
	t.Helper()
	r, f, view := c.draftOf(key), c.Fence(key), NewView([]byte(data))
	p, err := c.write(r, view, f)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		defer p.seg.release()
		r.seq = p.seq
		if err := c.commit(key, r, view, f, &p); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoserOfTwoPutsIsVoid: neither record says that it replaces another; when the one
// that is current has been evicted, the other must not be left.
func TestLoserOfTwoPutsIsVoid(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	first := written(t, c, "k", "a")
	for i := 0; c.disk.active[probation].number == 1; i++ {
		mustPut(t, c, fmt.Sprint(i), NewView(noise(1000)), "v")
	}
	number := c.disk.active[probation].number
	second := written(t, c, "k", "b")
	second()
	first()
	wantHit(t, c, "k", []byte("b"))
	evictFile(c, number)
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// TestDropsOutliveCopies: a copy has the number of its original, but is in a younger
// segment; the drop that voids it must stay until that is gone, whoever restarts.
func TestDropsOutliveCopies(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "other", NewView([]byte("x")), "v")
	c.Drop("other") // so that the file of drops is older than the copy's segment
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	_, _ = c.Get("k")
	for i := 0; c.disk.active[probation].number == 1; i++ {
		mustPut(t, c, fmt.Sprint(i), NewView(noise(1000)), "v")
	}
	reclaimOne(t, c)
	sl, ok := c.peekSlot(c.hash("k"))
	if !ok || sl.file == 1 {
		t.Fatal("not copied")
	}
	c.disk.voidRecord(sl.hash, sl.seq())
	c.dropSeq(c.shard(sl.hash), sl.hash, sl.seq())
	for range 3 {
		c.disk.gate.lock()
		c.disk.prune()
		c.disk.gate.unlock()
		c = reopen(t, c, dir, o)
		<-c.Loaded()
		wantMiss(t, c, "k")
	}
}

// TestExpiredEntryStaysDropped, also for a process with another MaxAge.
func TestExpiredEntryStaysDropped(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, MaxAge: time.Minute}
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		time.Sleep(2 * time.Minute)
		wantMiss(t, c, "k")
		o.MaxAge = time.Hour
		wantNoneBack(t, c, dir, o, []string{"k"})
	})
}

// TestEntryFromTheFutureStaysDropped: a process had a clock that was two hours fast;
// the next one, whose clock is right, forgets the entry when it meets it.
func TestEntryFromTheFutureStaysDropped(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
		c := open4test(t, dir, o)
		r, f := c.draftOf("k"), c.Fence("k")
		r.stored += int64(2 * time.Hour)
		p, err := c.write(r, NewView([]byte("x")), f)
		if err != nil {
			t.Fatal(err)
		}
		r.seq = p.seq
		if err := c.commit("k", r, NewView([]byte("x")), f, &p); err != nil {
			t.Fatal(err)
		}
		p.seg.release()
		c = reopen(t, c, dir, o)
		wantMiss(t, c, "k")
		c.Drop("k")
		time.Sleep(90 * time.Minute)
		c = reopen(t, c, dir, o)
		wantMiss(t, c, "k")
	})
}

// TestDropAfterATroubleOfTheDiskIsNoted: what should have voided the old record could
// not be written; the log says so, and the next Drop writes it.
func TestDropAfterATroubleOfTheDiskIsNoted(t *testing.T) {
	for how, forget := range map[string]func(c *Cache){
		"put":  func(c *Cache) { _ = c.Put("k", NewView([]byte("new")), Meta{Version: "new"}, c.Fence("k")) },
		"drop": func(c *Cache) { c.Drop("k") },
	} {
		var fl faults
		logger, log := logTo()
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, Keys: testKeys{}, wrap: fl.wrap, Logger: logger}
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		mustPut(t, c, "other", NewView([]byte("x")), "v")
		fl.fail(&fl.write, syscall.EIO, 1<<40)
		for range 3 {
			_ = c.Put("other", NewView([]byte("y")), Meta{}, c.Fence("other")) // the breaker trips
		}
		forget(c)
		if !strings.Contains(log.String(), "may be found again") {
			t.Errorf("%s: the log says %q", how, log)
		}
		fl.write.Store(nil)
		c.disk.breaker.until.Store(1) // the disk is well again, and it is time to try
		mustPut(t, c, "other", NewView([]byte("z")), "v")
		wantNoneBack(t, c, dir, o, []string{"k"})
	}
}

// TestEvictionThatCannotNoteWhatItUncoversStaysDropped, as on a full disk.
func TestEvictionThatCannotNoteWhatItUncoversStaysDropped(t *testing.T) {
	var fl faults
	dir := newDir(t)
	o := Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: func(f file) file {
		if named, ok := f.(*os.File); ok && strings.HasSuffix(named.Name(), dropsSuffix) {
			return fl.wrap(f)
		}
		return f
	}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("old")), "1") // in an ordinary segment
	mustPut(t, c, "k", NewView(noise(20_000)), "2") // in one of its own, replaces
	sl, _ := c.peekSlot(c.hash("k"))
	fl.fail(&fl.write, syscall.ENOSPC, 1<<40)
	evictFile(c, sl.file)
	fl.write.Store(nil)
	wantMiss(t, c, "k")
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// TestReclaimThatCannotReadABlockLeavesNothingBehind: slots of that block lead nowhere,
// and what their records replaced is on disk.
func TestReclaimThatCannotReadABlockLeavesNothingBehind(t *testing.T) {
	var fl faults
	dir, o := newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: fl.wrap}
	c := open4test(t, dir, o)
	where := func() uint32 {
		sl, ok := c.peekSlot(c.hash("k"))
		if !ok {
			t.Fatal("not there")
		}
		return sl.file
	}
	closeSegment := func() {
		for i := 0; c.disk.active[probation] == nil || c.disk.active[probation].number == where(); i++ {
			mustPut(t, c, fmt.Sprint("fill", i), NewView(noise(1000)), "v")
		}
	}
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	_, _ = c.Get("k")
	closeSegment()
	first := where()
	for where() == first {
		reclaimOne(t, c)
	}
	old := where() // in the main queue
	mustPut(t, c, "k", NewView([]byte("new")), "new")
	closeSegment()
	last := where()
	fl.fail(&fl.read, syscall.EIO, 1)
	reclaimOne(t, c)
	fl.read.Store(nil)
	if c.disk.table.holds(slot{file: last}) || !c.disk.table.holds(slot{file: old}) {
		t.Fatal("not as planned")
	}
	wantMiss(t, c, "k")
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// reclaimOne reclaims the segment whose turn it is.
func reclaimOne(t *testing.T, c *Cache) {
	t.Helper()
	r := &c.disk.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.disk.pick() {
		t.Fatal("nothing to reclaim")
	}
	for r.victim != nil {
		c.disk.step()
	}
	c.disk.sweep(1 << 20)
}

// TestPutsThatAreRefusedTakeNoSpace: there is nothing of theirs to void.
func TestPutsThatAreRefusedTakeNoSpace(t *testing.T) {
	for what, try := range map[string]func(c *Cache) error{
		"invalid": func(c *Cache) error {
			key := strings.Repeat("k", maxKey+1)
			return c.Put(key, NewView([]byte("x")), Meta{}, c.Fence(key))
		},
		"too large": func(c *Cache) error {
			return c.Put("k", NewView(make([]byte, 0)), Meta{Blob: make([]byte, maxBlob+1)}, c.Fence("k"))
		},
	} {
		c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}})
		for range 2000 {
			if try(c) == nil {
				t.Fatal("stored")
			}
		}
		if st := c.Stats(); st.DiskBytes > 16<<10 {
			t.Errorf("%s: %+v", what, st)
		}
	}
}

// TestPutsOnAFileSystemFilledByOthersFillItNoFurther: the first one voids what it was to
// replace, and that is all.
func TestPutsOnAFileSystemFilledByOthersFillItNoFurther(t *testing.T) {
	var free atomic.Int64
	free.Store(80 << 30)
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{},
		statfs: func() (int64, int64, error) { return 100 << 30, free.Load(), nil }})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	free.Store(0)
	c.disk.space.sampled = 0
	_ = c.Put("k", NewView([]byte("x")), Meta{}, c.Fence("k"))
	before := c.Stats().DiskBytes
	for range 2000 {
		if err := c.Put("k", NewView([]byte("x")), Meta{}, c.Fence("k")); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if after := c.Stats().DiskBytes; after > before {
		t.Errorf("%d bytes more", after-before)
	}
}

// TestDropsAloneStayWithinTheBound: the folder is full, and nothing is put.
func TestDropsAloneStayWithinTheBound(t *testing.T) {
	const most, n = 2 << 20, 30_000
	dir := newDir(t)
	c := open4test(t, dir, Options{MaxBytes: most, MemoryBytes: -1, Keys: testKeys{}})
	for i := range n {
		mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
	}
	for i := range n {
		c.Drop(fmt.Sprint(i))
	}
	if used, st := folderBytes(t, dir), c.Stats(); used > most || st.DiskBytes > most {
		t.Errorf("%d bytes in the folder; %+v", used, st)
	}
}
