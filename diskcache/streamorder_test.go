package diskcache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// onlySegments hands every write to a segment to a hook.
func onlySegments(hook func(b []byte, off int64, write func() (int, error)) (int, error)) func(file) file {
	return func(f file) file {
		if n, ok := f.(*os.File); ok && strings.HasSuffix(n.Name(), segmentSuffix) {
			return hookedFile{f, hook}
		}
		return f
	}
}

// TestStreamDroppedBeforeItsCommitIsNotCompleted: the Drop had nothing to void. Were the
// record completed first and voided after, a process killed in between would leave it.
func TestStreamDroppedBeforeItsCommitIsNotCompleted(t *testing.T) {
	dir := newDir(t)
	var armed atomic.Bool
	var left map[string][]byte // as a kill after the last write to a segment leaves it
	o := Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{},
		wrap: onlySegments(func(_ []byte, _ int64, write func() (int, error)) (int, error) {
			n, err := write()
			if armed.Load() {
				left = onDisk(t, dir)
			}
			return n, err
		})}
	c := open4test(t, dir, o)
	w := begun(t, c, "k", heldBytes+1)
	c.Drop("k")
	armed.Store(true)
	if err := w.Commit(Meta{Version: "v"}); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	armed.Store(false)
	o.wrap = nil
	wantMiss(t, open4test(t, writeFolder(t, left), o), "k")
}

// TestStreamSaysThatItReplacesWhatIsNotLoadedYet: when its own file is evicted, what it
// replaced must not be left without anything that voids it.
func TestStreamSaysThatItReplacesWhatIsNotLoadedYet(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	for i := 0; c.disk.active[probation].number == 1; i++ { // the last segment is read by Open itself
		mustPut(t, c, fmt.Sprint(i), NewView(noise(1000)), "v")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	resume := make(chan struct{})
	held := o
	held.wrap = func(f file) file {
		if n, ok := f.(*os.File); !ok || filepath.Base(n.Name()) != segmentName(1) {
			return f
		}
		return pausedRead{f, func(off int64) {
			if off >= fileHeader {
				<-resume
			}
		}}
	}
	c, err := Open(t.Context(), dir, held)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustStream(t, c, "k", noise(heldBytes+1), Meta{Version: "new"})
	close(resume)
	<-c.Loaded()
	sl, ok := c.peekSlot(c.hash("k"))
	if !ok || sl.file == 1 {
		t.Fatal("not as planned")
	}
	evictFile(c, sl.file)
	wantMiss(t, c, "k")
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// TestStreamGivenUpOnAStalledDiskIsReclaimed: its file could not be deleted at once.
func TestStreamGivenUpOnAStalledDiskIsReclaimed(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}})
		w := begun(t, c, "k", heldBytes+1)
		c.disk.gate.lock() // as somebody in the device would
		w.Abort()
		if c.disk.table.len() != 1 || !c.disk.evictNow(nil) || c.disk.table.len() != 0 {
			t.Errorf("%d files are left", c.disk.table.len())
		}
		c.disk.gate.unlock()
	})
}

// TestStreamOfUnknownLengthEvictsAtMostHalf: it is refused before it takes more.
func TestStreamOfUnknownLengthEvictsAtMostHalf(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 8 << 20, MemoryBytes: -1, Keys: testKeys{}})
	const n = 300
	for i := range n {
		mustPut(t, c, fmt.Sprint(i), NewView(noise(20_000)), "v")
	}
	w := begun(t, c, "k", heldBytes+1)
	for range 5 {
		if _, err := w.Write(noise(1 << 20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(Meta{}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if left := c.Stats().Entries; left < n*4/10 {
		t.Errorf("%d entries of %d are left", left, n)
	}
}

// TestWhatIsUsedOutlivesStreams: they reclaim as Puts do, and do not throw away segments
// without a look at what is used.
func TestWhatIsUsedOutlivesStreams(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}})
	const used = 50
	data := noise(heldBytes + 1)
	hits := 0
	for i := range used {
		mustPut(t, c, fmt.Sprint(i), NewView(data[:10_000]), "v")
	}
	for n := range 24 {
		hits = 0
		for i := range used {
			if _, err := c.Get(fmt.Sprint(i)); err == nil {
				hits++
			}
		}
		mustStream(t, c, fmt.Sprint("stream", n), data, Meta{})
	}
	if hits < used*9/10 {
		t.Errorf("%d of %d are left", hits, used)
	}
}

// TestStreamCopiedIntoASegmentGivesItsFileBack.
func TestStreamCopiedIntoASegmentGivesItsFileBack(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}})
	w, err := c.Create("k", -1, c.Fence("k"))
	if err != nil {
		t.Fatal(err)
	}
	data := content("k", 0, heldBytes+1) // some 20 KiB, compressed
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	s := c.disk.table.acquire(w.spool.file)
	defer s.release()
	if err := w.Commit(Meta{}); err != nil {
		t.Fatal(err)
	}
	if sl, _ := c.peekSlot(c.hash("k")); sl.file == s.number {
		t.Fatal("not copied")
	}
	if n := s.refs.Load(); n != 1 {
		t.Errorf("%d references besides the test's", n-1)
	}
	wantHit(t, c, "k", data)
}
