package diskcache

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// folderBytes is what the folder takes on disk, every file rounded up.
func folderBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else it has just been evicted
			sum += footprint(info.Size())
		}
	}
	return sum
}

// TestBoundsHoldAtEveryMoment measures the folder itself while it is written.
func TestBoundsHoldAtEveryMoment(t *testing.T) {
	const maxBytes, memoryBytes = 2 << 20, 300 << 10
	const others = 5 * diskBlock // marker, lock, key, boot
	dir := newDir(t)
	c := open4test(t, dir, Options{MaxBytes: maxBytes, MemoryBytes: memoryBytes, Keys: testKeys{}})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(9, uint64(w)))
			for n := 1; !stop.Load(); n += 2 {
				key := fmt.Sprint(rng.IntN(300))
				size := rng.IntN(10 << 10)
				if n%50 == 1 {
					size = rng.IntN(500 << 10)
				}
				mustPut(t, c, key, NewView(content(key, n, size)), fmt.Sprint(n))
			}
		})
	}
	for c.Stats().Evicted < 100 {
		// A listing takes a while. Under the lock, files can neither come nor
		// go in the middle of it; large bodies are being written all the same.
		c.disk.gate.lock()
		used, counted := folderBytes(t, dir), c.disk.bytes
		c.disk.gate.unlock()
		if used > counted+others || counted > maxBytes {
			t.Errorf("%d bytes on disk, %d counted, at most %d allowed", used, counted, maxBytes)
		}
		st := c.Stats()
		if st.DiskBytes > maxBytes {
			t.Errorf("%+v", st)
		}
		// Two reservations may be above what is kept, for a moment.
		if st.MemoryBytes > memoryBytes+2*memoryBytes/4 {
			t.Errorf("%+v", st)
		}
	}
	stop.Store(true)
	wg.Wait()
	st := c.Stats()
	if used := folderBytes(t, dir); used > st.DiskBytes+others || used < st.DiskBytes {
		t.Errorf("%d bytes on disk, but the cache counts %d", used, st.DiskBytes)
	}
	if st.MemoryBytes > memoryBytes || st.MemoryEntries == 0 || st.DiskErrors+st.Damaged > 0 {
		t.Errorf("%+v", st)
	}
	if slots := st.Entries; slots == 0 || slots > 300 {
		t.Error(slots, "entries")
	}
}

func TestOldestSegmentGoesFirst(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1})
	const size = 10 << 10
	for i := range 200 {
		key := fmt.Sprint(i)
		mustPut(t, c, key, NewView(content(key, 1, size)), "v")
	}
	oldest := 0
	for ; oldest < 200; oldest++ {
		if _, err := c.Get(fmt.Sprint(oldest)); err == nil {
			break
		}
	}
	if kept := 200 - oldest; kept < 70 || kept > 100 {
		t.Errorf("%d entries of 10 KiB kept in 1 MiB", kept)
	}
	for i := oldest; i < 200; i++ {
		key := fmt.Sprint(i)
		wantHit(t, c, key, content(key, 1, size))
	}
}

// TestEvictedEntryMayStayInMemory, and is not confused with a later one.
func TestEvictedEntryMayStayInMemory(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20})
	mustPut(t, c, "k", NewView(content("k", 1, 1000)), "1")
	for i := range 400 {
		key := fmt.Sprint(i)
		mustPut(t, c, key, NewView(content(key, 1, 5<<10)), "v")
	}
	if _, ok := c.peekSlot(c.hash("k")); ok {
		t.Fatal("not evicted")
	}
	wantHit(t, c, "k", content("k", 1, 1000))
	c.Suspect()
	if !wantHit(t, c, "k", content("k", 1, 1000)).Suspect || !c.Confirm("k", "1", c.Fence("k")) {
		t.Error("cannot be confirmed")
	}
	c.Drop("k")
	wantMiss(t, c, "k")
}

func TestLargestRecordEvictsAllOthersAndFits(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20})
	for round := range 5 {
		for i := range 10 {
			mustPut(t, c, fmt.Sprint(i), NewView(content("k", 1, 20<<10)), "v")
		}
		large := content("large", 2*round+1, 510<<10)
		mustPut(t, c, "large", NewView(large), "v")
		wantHit(t, c, "large", large)
	}
	if st := c.Stats(); st.DiskBytes > 1<<20 {
		t.Errorf("%+v", st)
	}
}

func TestEntryIsNotServedPastMaxAge(t *testing.T) {
	for _, memory := range []int64{0, -1} {
		testbed.Bubble(t, func(t *testing.T) {
			const day = 24 * time.Hour
			dir, o := newDir(t), Options{Keys: testKeys{}, MemoryBytes: memory}
			c := open4test(t, dir, o)
			mustPut(t, c, "a", NewView([]byte("a")), "v")
			time.Sleep(200 * day)
			mustPut(t, c, "b", NewView([]byte("b")), "v")
			time.Sleep(165*day - time.Second)
			wantHit(t, c, "a", []byte("a"))
			c = reopen(t, c, dir, o)
			wantHit(t, c, "a", []byte("a")) // a restart does not make it younger
			time.Sleep(2 * time.Second)
			wantMiss(t, c, "a") // the default is 365 days
			wantHit(t, c, "b", []byte("b"))
			if st := c.Stats(); st.Expired != 1 || st.Entries != 1 {
				t.Errorf("%+v", st)
			}
			c = reopen(t, c, dir, o)
			wantMiss(t, c, "a")
			for key := range c.All() {
				if key != "b" {
					t.Error("All lists an expired entry")
				}
			}
		})
	}
}

func TestEntryFromTheFutureIsNotImmortal(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	now := c.ages.now()
	for stored, want := range map[int64]bool{
		now:                                  false,
		now + int64(clockSlack)/2:            false,
		now + 2*int64(clockSlack):            true,
		now - int64(defaultMaxAge) - 1:       true,
		now - int64(defaultMaxAge) + 1:       false,
		now + int64(400*24*time.Hour):        true,
		now - int64(100*defaultMaxAge):       true,
		now - int64(defaultMaxAge-time.Hour): false,
	} {
		if got := c.ages.expired(stored, now); got != want {
			t.Errorf("stored %v from now: expired %v", time.Duration(stored-now), got)
		}
	}
}

// descriptors counts the files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// wantGoroutines waits until at most so many are left. A goroutine counts until the
// scheduler has buried it, a moment after others saw its end; one that was left behind
// counts for as long as anybody waits.
func wantGoroutines(t *testing.T, most int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > most; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, not %d:\n%s", runtime.NumGoroutine(), most, buf[:runtime.Stack(buf, true)])
		}
	}
}

// operationsEnv says how many operations to make; default 6000.
const operationsEnv = "DISKCACHE_OPERATIONS"

func TestDescriptorsAndGoroutinesStayFlat(t *testing.T) {
	// The first file that is opened costs two more, which the runtime polls with.
	if err := os.WriteFile(filepath.Join(t.TempDir(), "first"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	c := open4test(t, newDir(t), Options{MaxBytes: 2 << 20, MemoryBytes: 100 << 10})
	most, segments, operations := 0, 0, 6000
	if n, err := strconv.Atoi(os.Getenv(operationsEnv)); err == nil {
		operations = n
	}
	for i := range operations {
		key := fmt.Sprint(i % 500)
		size := 500
		if i%20 == 0 {
			size = 90 << 10 // a file of its own
		}
		mustPut(t, c, key, NewView(content(key, 1, size)), "v")
		if i%7 == 0 {
			c.Drop(fmt.Sprint(i % 300))
		}
		if _, err := c.Get(fmt.Sprint(i * 31 % 500)); i%100 == 0 && err != nil {
			wantMiss(t, c, "absent")
		}
		if i%50 == 0 { // it is left to its own
			if r, err := c.Open(key); err == nil {
				_, _ = r.ReadAt(make([]byte, 10), int64(size-10))
			}
		}
		if i%500 == 0 {
			mustStream(t, c, key, content(key, 0, heldBytes+1), Meta{}) // compresses to a record in a segment
			begun(t, c, key, heldBytes+1).Abort()
		}
		if i%1000 == 999 {
			n := c.Stats().Segments
			most, segments = max(most, descriptors(t)-files-n), max(segments, n)
		}
	}
	st := c.Stats()
	if st.Evicted < 50 || segments > 100 {
		t.Errorf("the test should evict much and keep few files: %d, %+v", segments, st)
	}
	if most > 6 { // drops, the folder, its lock, the secrets, the listing itself
		t.Errorf("%d descriptors besides those of segments", most)
	}
	if operations > 6000 {
		t.Logf("%d segments, %d descriptors besides", segments, most)
	}
	wantGoroutines(t, goroutines+1) // the coarse clock
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantGoroutines(t, goroutines)
	if n := descriptors(t); n > files {
		t.Errorf("%d descriptors after Close, %d before Open", n, files)
	}
}

// TestStrayFileNameDoesNotBreakTheBound: files that anybody could have put
// into the folder must not move the numbers to where the next process does
// not look.
func TestStrayFileNameDoesNotBreakTheBound(t *testing.T) {
	last := newSegmentHeader(maxNumber-2, 1<<60, probation, false)
	header := last.seal(new(cacheKey).aead("another key", nil))
	for name, data := range map[string][]byte{
		segmentName(maxNumber):     nil,
		segmentName(last.number):   header, // well formed, with no record of ours
		segmentName(maxNumber - 1): noise(5000),
		"100000000.seg":            noise(2 << 20), // as is, it would be neither counted nor deleted
		"ffffffffffffffff.drops":   nil,
		segmentName(0):             noise(2 << 20),
	} {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
		c := open4test(t, dir, o)
		mustPut(t, c, "before", NewView([]byte("x")), "v")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		c = open4test(t, dir, o)
		wantHit(t, c, "before", []byte("x"))
		for round := range 3 {
			for i := range 20 {
				key := fmt.Sprint(i)
				mustPut(t, c, key, NewView(content(key, 2*round+1, 45_000)), "v")
			}
			c = reopen(t, c, dir, o)
			wantHit(t, c, "19", content("19", 2*round+1, 45_000))
			const others = 5 * diskBlock
			if used, st := folderBytes(t, dir), c.Stats(); used > o.MaxBytes+others || used > st.DiskBytes+others {
				t.Errorf("%s: %d bytes in the folder, %d counted, MaxBytes is %d", name, used, st.DiskBytes, o.MaxBytes)
			}
		}
	}
}
