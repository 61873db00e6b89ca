package diskcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// readRest reads a Reader chunk by chunk and wants bytes of its version, up to an
// ErrGone if there is one. It returns how many there were.
func readRest(t *testing.T, r *Reader, want []byte) int {
	t.Helper()
	for at := 0; ; {
		buf := make([]byte, 7000)
		n, err := r.ReadAt(buf, int64(at))
		if !bytes.Equal(buf[:n], want[at:at+n]) {
			t.Fatalf("bytes at %d are not those of the version that was opened", at)
		}
		at += n
		if err == io.EOF && at == len(want) {
			return at
		}
		if err != nil {
			if !errors.Is(err, ErrGone) || !errors.Is(err, ErrMiss) {
				t.Fatal(err)
			}
			return at
		}
	}
}

// TestReaderWhoseEntryChangesReadsItsVersionOrNothing: whatever happens to the
// entry, the bytes are those of the version that was opened, or there is an error.
func TestReaderWhoseEntryChangesReadsItsVersionOrNothing(t *testing.T) {
	const group = "patient"
	cases := map[string]struct {
		change func(t *testing.T, c *Cache)
		none   bool // not a byte may be read after it
	}{
		"dropped": {func(_ *testing.T, c *Cache) { c.Drop("k") }, false},
		"replaced": {func(t *testing.T, c *Cache) {
			mustPut(t, c, "k", NewView(content("k", 3, 200<<10)), "new")
		}, false},
		"all dropped":         {func(_ *testing.T, c *Cache) { c.DropAll() }, false},
		"another group shred": {func(t *testing.T, c *Cache) { mustShredGroup(t, c, "other") }, false},
		"group shredded":      {func(t *testing.T, c *Cache) { mustShredGroup(t, c, group) }, true},
		"group shredded and stored again": {func(t *testing.T, c *Cache) {
			mustShredGroup(t, c, group)
			if err := c.Put("k", NewView(content("k", 1, 200<<10)), Meta{Group: group}, c.Fence("k")); err != nil {
				t.Fatal(err)
			}
		}, true},
		"shredded": {func(t *testing.T, c *Cache) {
			if err := c.Shred(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, true},
		"shredded and stored again": {func(t *testing.T, c *Cache) {
			if err := c.Shred(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustPut(t, c, "k", NewView(content("k", 1, 200<<10)), "v")
		}, true},
	}
	for name, test := range cases {
		for _, o := range []Options{
			{MaxBytes: 16 << 20, MemoryBytes: -1}, // 200 KiB have a file of their own
			{MaxBytes: 1 << 30, MemoryBytes: -1},  // in a segment
			{MaxBytes: 1 << 30},                   // in memory
		} {
			c := open4test(t, newDir(t), o)
			want := content("k", 1, 200<<10)
			if err := c.Put("k", NewView(want), Meta{Version: "v", Group: group}, c.Fence("k")); err != nil {
				t.Fatal(err)
			}
			r := mustOpen(t, c, "k")
			wantRange(t, r, want, 1000, 1100) // so that a chunk is kept
			test.change(t, c)
			n := readRest(t, r, want)
			if test.none && n > 0 {
				t.Errorf("%s: %d bytes were read after it", name, n)
			}
			if name == "another group shred" && n != len(want) {
				t.Errorf("%s: reading ended at %d", name, n)
			}
		}
	}
}

func mustShredGroup(t *testing.T, c *Cache, group string) {
	t.Helper()
	if err := c.ShredGroup(context.Background(), group); err != nil {
		t.Fatal(err)
	}
}

// TestReaderFollowsARecordThatIsMoved, and fails once it is evicted; either way no
// deleted file is kept open.
func TestReaderFollowsARecordThatIsMoved(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 32 << 20, MemoryBytes: -1})
	large := content("k", 0, chunkLZ+50<<10) // two chunks, some 20 KiB
	mustPut(t, c, "large", NewView(large), "v")
	r := mustOpen(t, c, "large")
	first := r.record.Load().slot
	_, _ = c.Get("large") // it is used
	closeSegment(t, c)
	wantRange(t, r, large, chunkLZ, chunkLZ+1000)
	reclaimOne(t, c)
	r.kept.Store(nil)
	wantRange(t, r, large, chunkLZ, chunkLZ+1000)
	if r.record.Load().slot.file == first.file || c.disk.table.holds(first) {
		t.Error("the record was not moved")
	}
	s := c.disk.table.acquire(r.record.Load().slot.file)
	if n := s.refs.Load(); n != 2 {
		t.Errorf("%d references to its segment", n)
	}
	s.release()
	wantRange(t, r, large, 0, len(large))
	evictAll(c)
	if n, _ := r.ReadAt(make([]byte, 10), 0); n != 0 {
		t.Error("read from a deleted file")
	}
	if n := readRest(t, r, large); n != 0 {
		t.Errorf("%d bytes of an evicted record", n)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, ErrGone) {
		t.Error("the failure was not final:", err)
	}
}

// TestDamagedChunkFailsAndTheRestIsRight: a flipped byte costs the chunk that it is
// in, and the entry.
func TestDamagedChunkFailsAndTheRestIsRight(t *testing.T) {
	for n, size := range []int{2*chunkLZ + 5, 3*chunkPlain + 5} {
		dir := newDir(t)
		o := readerOptions(-1)
		c := open4test(t, dir, o)
		want := content("k", n, size)
		mustPut(t, c, "k", NewView(want), "v")
		r := mustOpen(t, c, "k")
		sl, _ := c.peekSlot(c.hash("k"))
		path := filepath.Join(dir, segmentName(sl.file))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		last := r.record.Load().chunks() - 1
		chunks := r.record.Load().at
		at := int(r.record.Load().off+chunks[len(chunks)-1]) + 20
		data[at] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		from, _ := r.record.Load().bounds(last)
		if got := readRest(t, r, want); got > int(from) || got < int(from)-7000 {
			t.Errorf("read %d bytes, the damage is behind %d", got, from)
		}
		if _, err := r.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrGone) {
			t.Error("the failure was not final:", err)
		}
		wantMiss(t, c, "k")
		if st := c.Stats(); st.Damaged != 1 {
			t.Errorf("%+v", st)
		}
	}
}

// TestReaderOutlivesABypassedDisk: a disk that stalls is an error while it does, and
// no reason to give the entry up.
func TestReaderOutlivesABypassedDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fl faults
		c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, wrap: fl.wrap})
		want := content("k", 1, 300<<10)
		mustPut(t, c, "k", NewView(want), "v")
		r := mustOpen(t, c, "k")
		for i := range failuresToTrip {
			mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
		}
		fl.fail(&fl.read, syscall.EIO, failuresToTrip)
		for i := range failuresToTrip {
			wantMiss(t, c, fmt.Sprint(i))
		}
		if _, err := r.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
		time.Sleep(2 * lastPause)
		wantRange(t, r, want, 0, len(want))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// TestReadersRaceWithEverything: many read ranges with one Reader each and with a
// shared one, while entries are put, dropped, evicted and shredded.
func TestReadersRaceWithEverything(t *testing.T) {
	t.Parallel()
	c := open4test(t, newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: 256 << 10})
	var stop atomic.Bool
	var wg sync.WaitGroup
	var whole, gone atomic.Int64
	for w := range 2 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(9, uint64(w)))
			for !stop.Load() {
				r, err := c.Open(fmt.Sprint(rng.IntN(8)))
				if err != nil {
					continue
				}
				var n int
				if _, err := fmt.Sscan(r.Info().Version, &n); err != nil {
					t.Error(err)
				}
				want := content("", n, int(r.Size()))
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() {
						if readRest(t, r, want) == len(want) {
							whole.Add(1)
						} else {
							gone.Add(1)
						}
					})
				}
				both.Wait()
				r.Close()
			}
		})
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for n := range 250 {
		key := fmt.Sprint(rng.IntN(8))
		switch rng.IntN(10) {
		case 0:
			c.Drop(key)
		case 1:
			mustShredGroup(t, c, "g")
		default:
			m := Meta{Version: fmt.Sprint(n)}
			if rng.IntN(2) == 0 {
				m.Group = "g"
			}
			err := c.Put(key, NewView(content("", n, rng.IntN(400<<10))), m, c.Fence(key))
			if err != nil && !errors.Is(err, ErrFenced) {
				t.Error(err)
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	if st := c.Stats(); whole.Load() == 0 || st.Damaged > 0 || st.DiskErrors > 0 {
		t.Errorf("%d whole, %d gone, %+v", whole.Load(), gone.Load(), st)
	}
}

func evictAll(c *Cache) {
	c.disk.gate.lock()
	defer c.disk.gate.unlock()
	for c.disk.evictNow(nil) {
	}
}

// TestChunkReadDuringCloseIsNotKept: whoever keeps a closed Reader must not keep plaintext.
func TestChunkReadDuringCloseIsNotKept(t *testing.T) {
	var during atomic.Pointer[func()]
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, wrap: func(f file) file {
		return pausedRead{f, func(int64) {
			if f := during.Load(); f != nil {
				(*f)()
			}
		}}
	}})
	data := noise(1 << 20)
	mustPut(t, c, "k", NewView(data), "v")
	r := mustOpen(t, c, "k")
	closing := func() { _ = r.Close() }
	during.Store(&closing)
	wantRange(t, r, data, 100, 200)
	if r.kept.Load() != nil {
		t.Error("a chunk is kept")
	}
}
