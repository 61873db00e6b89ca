package diskcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestStreamWhoseFenceDiesInsertsNothing, whatever kills it and whenever, and leaves
// nothing on disk.
func TestStreamWhoseFenceDiesInsertsNothing(t *testing.T) {
	t.Parallel()
	kill := map[string]func(t *testing.T, c *Cache){
		"Drop":       func(_ *testing.T, c *Cache) { c.Drop("k") },
		"Revoke":     func(_ *testing.T, c *Cache) { c.Revoke("k") },
		"Suspect":    func(_ *testing.T, c *Cache) { c.Suspect() },
		"DropAll":    func(_ *testing.T, c *Cache) { c.DropAll() },
		"ShredGroup": func(t *testing.T, c *Cache) { mustShredGroup(t, c, "patient") },
		"Shred": func(t *testing.T, c *Cache) {
			if err := c.Shred(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, kill := range kill {
		for _, size := range []int{1000, 3 << 20} {
			for _, more := range []bool{false, true} {
				for _, maxBytes := range []int64{16 << 20, 8 << 30} {
					dir, o := newDir(t), streamOptions()
					o.MaxBytes = maxBytes
					c := open4test(t, dir, o)
					w := begun(t, c, "k", size)
					kill(t, c)
					if more {
						if n, err := w.Write(noise(size)); n != size || err != nil {
							t.Errorf("%s: Write: %d, %v", name, n, err)
						}
					}
					if err := w.Commit(Meta{Group: "patient"}); !errors.Is(err, ErrFenced) {
						t.Errorf("%s: Commit: %v", name, err)
					}
					wantMiss(t, c, "k")
					if st := c.Stats(); st.Segments != 0 || st.Entries != 0 || st.Fenced != 1 {
						t.Errorf("%s: %+v", name, st)
					}
					c = reopen(t, c, dir, o)
					wantMiss(t, c, "k")
				}
			}
		}
	}
	c := open4test(t, newDir(t), streamOptions())
	if _, err := c.Create("k", -1, Fence{}); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	if _, err := c.Create("", -1, c.Fence("")); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// TestProcessKilledInMidStreamLeavesNoEntryAndNoFile: the folder as it is at that
// moment is what the next process finds.
func TestProcessKilledInMidStreamLeavesNoEntryAndNoFile(t *testing.T) {
	for _, declared := range []int{3 << 20, 6 << 20} {
		dir := newDir(t)
		c := open4test(t, dir, streamOptions())
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		w := begun(t, c, "k", declared)
		defer w.Abort()
		files := onDisk(t, dir)
		next := open4test(t, writeFolder(t, files), streamOptions())
		wantHit(t, next, "k", []byte("old"))
		if st := next.Stats(); st.Segments != 1 || st.DiskBytes > 64<<10 {
			t.Errorf("%+v", st)
		}
		// The last byte of a complete file, too, can be what was not written.
		if err := w.Commit(Meta{Version: "new"}); err != nil {
			t.Fatal(err)
		}
		files = onDisk(t, dir)
		for name, data := range files {
			if len(data) < declared {
				continue
			}
			files[name] = data[:len(data)-1]
			next = open4test(t, writeFolder(t, files), streamOptions())
			wantHit(t, next, "k", []byte("old"))
			files[name] = data
		}
		next = open4test(t, writeFolder(t, files), streamOptions())
		if e := wantHit(t, next, "k", content("k", 1, declared)); e.Version != "new" {
			t.Error(e)
		}
	}
}

// TestCloseEndsStreams: it does not wait for them, and leaves none of their files.
func TestCloseEndsStreams(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, streamOptions())
	large, small := begun(t, c, "large", 3<<20), begun(t, c, "small", 1000)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for name := range onDisk(t, dir) {
		if strings.HasSuffix(name, segmentSuffix) {
			t.Error("left:", name)
		}
	}
	for _, w := range []*Writer{large, small} {
		if _, err := w.Write([]byte("x")); err != nil {
			t.Error("the cache stops an upload:", err)
		}
	}
	if err := large.Commit(Meta{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	small.Abort()
	if _, err := c.Create("k", 1, Fence{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestStreamKeepsTheBounds: what it takes is within MaxBytes at every moment, at the
// cost of what is cached; it is not evicted itself; and one that is too large ends with
// an error and gives all of it back.
func TestStreamKeepsTheBounds(t *testing.T) {
	t.Parallel()
	const maxBytes = 8 << 20
	c := open4test(t, newDir(t), Options{MaxBytes: maxBytes, MemoryBytes: -1})
	churn(t, c, 0, 3000)
	w := begun(t, c, "k", heldBytes+1)
	want := content("k", 1, heldBytes+1)
	for i := range 20 {
		more := content("more", 2*i+1, 100<<10)
		want = append(want, more...)
		if _, err := w.Write(more); err != nil {
			t.Fatal(err)
		}
		churn(t, c, 3000+i*300, 300)
		if st := c.Stats(); st.DiskBytes > maxBytes {
			t.Fatalf("%d bytes on disk, %d are allowed", st.DiskBytes, maxBytes)
		}
	}
	if err := w.Commit(Meta{}); err != nil {
		t.Fatal(err)
	}
	wantHit(t, c, "k", want)
	before := c.Stats().Segments
	w = begun(t, c, "too large", heldBytes+1)
	for range 100 {
		if _, err := w.Write(noise(200 << 10)); err != nil {
			t.Fatal(err)
		}
		if st := c.Stats(); st.DiskBytes > maxBytes {
			t.Fatalf("%d bytes on disk, %d are allowed", st.DiskBytes, maxBytes)
		}
	}
	if err := w.Commit(Meta{}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	wantMiss(t, c, "too large")
	if st := c.Stats(); st.Segments > before || st.DiskBytes > maxBytes/2 {
		t.Errorf("%+v, %d segments before", st, before)
	}
}

// TestStreamOnAFailingDisk: the entry that was there is forgotten for good, nothing is
// left, and the breaker is told.
func TestStreamOnAFailingDisk(t *testing.T) {
	for at := range 14 { // which write fails: of the head, of a chunk, of the end
		var fl faults
		dir, o := newDir(t), streamOptions()
		o.wrap = fl.wrap
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		segments, failed := c.Stats().Segments, false
		data := content("k", 1, 9*streamChunk+10)
		writes := 0
		c.disk.wrap = func(f file) file {
			return hookedFile{f, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
				if writes++; writes == at+1 {
					failed = true
					return 0, syscall.EIO
				}
				return write()
			}}
		}
		err := c.PutFrom(t.Context(), "k", bytes.NewReader(data), -1, Meta{Version: "new"}, c.Fence("k"))
		if failed != errors.Is(err, syscall.EIO) {
			t.Errorf("write %d: %v", at, err)
		}
		if failed {
			wantMiss(t, c, "k")
			if st := c.Stats(); st.Segments != segments || st.DiskErrors == 0 {
				t.Errorf("write %d: %+v", at, st)
			}
		} else if at < 12 {
			t.Errorf("there were no %d writes", at+1)
		}
		c = reopen(t, c, dir, o)
		if failed {
			wantMiss(t, c, "k")
		} else {
			wantHit(t, c, "k", data)
		}
	}
}

// TestStreamOnAFullDiskEvictsAndTriesOnceMore, at every write that can find it full.
func TestStreamOnAFullDiskEvictsAndTriesOnceMore(t *testing.T) {
	for at := range 12 {
		var fl faults
		o := streamOptions()
		o.wrap = fl.wrap
		c := open4test(t, newDir(t), o)
		churn(t, c, 0, 100)
		w, err := c.Create("k", -1, c.Fence("k"))
		if err != nil {
			t.Fatal(err)
		}
		data := content("k", 1, heldBytes+6*streamChunk)
		for n := 0; len(data) > n*streamChunk; n++ {
			if n == at {
				fl.fail(&fl.write, syscall.ENOSPC, 1)
			}
			if _, err := w.Write(data[n*streamChunk:][:streamChunk]); err != nil {
				t.Fatalf("full at %d: %v", at, err)
			}
		}
		if at > 10 {
			fl.fail(&fl.write, syscall.ENOSPC, 1)
		}
		if err := w.Commit(Meta{}); err != nil {
			t.Fatalf("full at %d: %v", at, err)
		}
		wantHit(t, c, "k", data)
	}
}

// TestStreamIsUnreadableOnDisk while it comes in and after it.
func TestStreamIsUnreadableOnDisk(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, streamOptions())
	const secret = "Jane Q. Public, positive"
	w, err := c.Create("patients/jane.json", -1, c.Fence("patients/jane.json"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for name, data := range onDisk(t, dir) {
			for _, s := range []string{secret, "jane", "etag-of-jane"} {
				if bytes.Contains(data, []byte(s)) {
					t.Errorf("%s: %q is readable in %s", when, s, name)
				}
			}
			if info, err := os.Stat(dir + "/" + name); err != nil || info.Mode().Perm() != 0o600 && name != markerName && info.Mode().Perm()&0o077 != 0 {
				t.Error(name, info.Mode(), err)
			}
		}
	}
	if _, err := w.Write([]byte(strings.Repeat(secret, 200_000))); err != nil {
		t.Fatal(err)
	}
	check("while it comes in")
	if err := w.Commit(Meta{Version: "etag-of-jane", Group: "jane"}); err != nil {
		t.Fatal(err)
	}
	check("after it")
	mustShredGroup(t, c, "jane")
	wantMiss(t, c, "patients/jane.json")
	c = reopen(t, c, dir, streamOptions())
	wantMiss(t, c, "patients/jane.json")
}

// TestStreamsRaceWithEverything: the bytes of a key are always one version's, nothing
// is seen after its drop, and no file is left over.
func TestStreamsRaceWithEverything(t *testing.T) {
	t.Parallel()
	dir, o := newDir(t), Options{MaxBytes: 32 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(11, uint64(w)))
			for n := range 60 {
				key := fmt.Sprint(rng.IntN(3))
				size := rng.IntN(2 << 20)
				m := Meta{Version: fmt.Sprint(w*1000 + n), Group: "g"}
				var err error
				switch rng.IntN(8) {
				case 0:
					c.Drop(key)
				case 1:
					mustShredGroup(t, c, "g")
				case 2:
					if w, err := c.Create(key, -1, c.Fence(key)); err == nil {
						_, _ = w.Write(content(key, 1, size))
						w.Abort()
					}
				case 3:
					c.DropAll()
				default:
					err = c.PutFrom(context.Background(), key, bytes.NewReader(content("", w*1000+n, size)), -1, m, c.Fence(key))
				}
				if err != nil && !errors.Is(err, ErrFenced) {
					t.Error(err)
				}
				if e, err := c.Get(key); err == nil {
					var n int
					if _, err := fmt.Sscan(e.Version, &n); err != nil || !is(e, content("", n, e.Data.Len())) {
						t.Errorf("%s: not what was stored under this version: %v", e.Version, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if st := c.Stats(); st.Damaged+st.DiskErrors > 0 {
		t.Errorf("%+v", st)
	}
	c.DropAll()
	if st := c.Stats(); st.Segments != 0 || st.Entries != 0 || st.DiskBytes > 2*diskBlock {
		t.Errorf("left over: %+v", st)
	}
}
