package diskcache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// faults is a layer over the files of a cache that fails on demand.
type faults struct {
	write atomic.Pointer[error]
	read  atomic.Pointer[error]
	times atomic.Int64 // how many more operations fail
}

type faultyFile struct {
	file
	*faults
}

func (f *faults) wrap(inner file) file { return faultyFile{inner, f} }

func (f *faults) fail(op *atomic.Pointer[error], err error, times int64) {
	f.times.Store(times)
	op.Store(&err)
}

func (f *faults) check(op *atomic.Pointer[error]) error {
	if err := op.Load(); err != nil && f.times.Add(-1) >= 0 {
		return *err
	}
	return nil
}

func (f faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.check(&f.write); err != nil {
		// As much as fits, like a real disk.
		n, _ := f.file.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.file.WriteAt(b, off)
}

func (f faultyFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.check(&f.read); err != nil {
		return 0, err
	}
	return f.file.ReadAt(b, off)
}

// TestFullDiskEvictsTheOldestAndTriesOnceMore, for each place that writes.
func TestFullDiskEvictsTheOldestAndTriesOnceMore(t *testing.T) {
	for _, size := range []int{1000, 100 << 10, 3 << 20} { // one write; two; one for each window
		var fl faults
		dir, o := newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: fl.wrap}
		c := open4test(t, dir, o)
		for i := range 10 {
			key := fmt.Sprint(i)
			mustPut(t, c, key, NewView(content(key, 1, 250<<10)), "v")
		}
		for i, full := range []error{syscall.ENOSPC, &os.PathError{Op: "write", Err: syscall.EDQUOT}} {
			fl.fail(&fl.write, full, 1)
			key := fmt.Sprint("new", i)
			want := content(key, 1, size)
			mustPut(t, c, key, NewView(want), "v")
			wantHit(t, c, key, want)
			if st := c.Stats(); st.Evicted != uint64(i+1) {
				t.Errorf("size %d: %+v", size, st)
			}
		}
		wantMiss(t, c, "0")
		wantHit(t, c, "9", content("9", 1, 250<<10))
		c = reopen(t, c, dir, o)
		wantHit(t, c, "new1", content("new1", 1, size))
	}
}

// TestFailingWriteBypassesTheDisk: the new entry is served from memory, the
// old one never again, and what is on disk can still be read.
func TestFailingWriteBypassesTheDisk(t *testing.T) {
	for _, size := range []int{1000, 100 << 10, 3 << 20} {
		var fl faults
		dir, o := newDir(t), Options{MaxBytes: 64 << 20, Keys: testKeys{}, wrap: fl.wrap}
		c := open4test(t, dir, o)
		mustPut(t, c, "other", NewView([]byte("other")), "v")
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		before := c.Stats().Segments
		fl.fail(&fl.write, syscall.EIO, 1<<40)
		want := content("k", 1, size)
		if err := c.Put("k", NewView(want), Meta{Version: "new"}, c.Fence("k")); !errors.Is(err, syscall.EIO) {
			t.Fatalf("Put on a failing disk: %v", err)
		}
		wantHit(t, c, "k", want)
		wantHit(t, c, "other", []byte("other"))
		c.Drop("other")
		wantMiss(t, c, "other")
		f := c.Fence("k")
		c.Revoke("k")
		if err := c.Put("k", NewView(want), Meta{}, f); !errors.Is(err, ErrFenced) {
			t.Errorf("the fence does not count on a failing disk: %v", err)
		}
		fl.write.Store(nil)
		c.disk.breaker.until.Store(1) // it is time to try again
		if st := c.Stats(); st.Segments != before || st.DiskErrors == 0 {
			t.Errorf("half a large record keeps its file: %+v", st)
		}
		mustPut(t, c, "k", NewView(want), "new")
		c = reopen(t, c, dir, o)
		wantHit(t, c, "k", want)
	}
}

func TestFailingWriteWithoutMemoryTierForgetsTheOldEntry(t *testing.T) {
	var fl faults
	c := open4test(t, newDir(t), Options{MemoryBytes: -1, wrap: fl.wrap})
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	fl.fail(&fl.write, syscall.EIO, 1)
	if err := c.Put("k", NewView([]byte("new")), Meta{}, c.Fence("k")); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	wantMiss(t, c, "k")
}

func TestFailingReadIsAMiss(t *testing.T) {
	for _, size := range []int{1000, 3 << 20} {
		var fl faults
		dir, o := newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: fl.wrap}
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView(content("k", 1, size)), "v")
		fl.fail(&fl.read, syscall.EIO, 1)
		wantMiss(t, c, "k")
		mustPut(t, c, "k", NewView(content("k", 3, size)), "v")
		wantHit(t, c, "k", content("k", 3, size))
		// While the folder is opened: what cannot be read is gone, the rest is
		// served, and Open succeeds.
		fl.fail(&fl.read, syscall.EIO, 1)
		c = reopen(t, c, dir, o)
		if st := c.Stats(); st.DiskErrors != 1 {
			t.Errorf("%+v", st)
		}
		fl.read.Store(nil)
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		wantHit(t, c, "k", []byte("x"))
	}
}

// TestFolderDeletedUnderTheCache: somebody cleans up. Reads go on, since the
// files are open; a Put that needs a new file fails and says so.
func TestFolderDeletedUnderTheCache(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{MaxBytes: 1 << 20, MemoryBytes: -1})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	wantHit(t, c, "k", []byte("x"))
	if err := c.Put("large", NewView(noise(100<<10)), Meta{}, c.Fence("large")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Put: %v", err)
	}
	c.DropAll()
	wantMiss(t, c, "k")
}

// TestEntryThatCouldNotBeReplacedStaysForgottenAfterARestart: one Put fails,
// and the process ends before anything else is stored under the key.
func TestEntryThatCouldNotBeReplacedStaysForgottenAfterARestart(t *testing.T) {
	for _, size := range []int{1000, 100 << 10, 3 << 20} {
		var fl faults
		dir, o := newDir(t), Options{MaxBytes: 64 << 20, Keys: testKeys{}, wrap: fl.wrap}
		c := open4test(t, dir, o)
		mustPut(t, c, "other", NewView([]byte("other")), "v")
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		fl.fail(&fl.write, syscall.EIO, 1)
		if err := c.Put("k", NewView(content("k", 1, size)), Meta{Version: "new"}, c.Fence("k")); !errors.Is(err, syscall.EIO) {
			t.Fatalf("size %d: %v", size, err)
		}
		c = reopen(t, c, dir, o)
		wantMiss(t, c, "k")
		wantHit(t, c, "other", []byte("other"))
	}
}

// TestUnreadableEntryThatCouldNotBeReplacedStaysForgottenAfterARestart: the
// failed read forgets where the record is, but the record is still there.
func TestUnreadableEntryThatCouldNotBeReplacedStaysForgottenAfterARestart(t *testing.T) {
	var fl faults
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: fl.wrap}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	fl.fail(&fl.read, syscall.EIO, 1)
	wantMiss(t, c, "k")
	if err := c.Put("k", NewView(noise(1<<20)), Meta{}, c.Fence("k")); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if err := c.Put("", NewView([]byte("x")), Meta{}, c.Fence("")); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	c = reopen(t, c, dir, o)
	wantMiss(t, c, "k")
}

// One Put hangs in the device with the gate in hand.
func TestDropAllDoesNotWaitForAStalledDevice(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := &stallNamed{suffix: segmentSuffix, resume: make(chan struct{})}
		c := open4test(t, newDir(t), Options{Keys: testKeys{}, wrap: s.wrap})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		s.on.Store(true)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(s.resume)
		wg.Go(func() { _ = c.Put("n", NewView([]byte("x")), Meta{}, c.Fence("n")) })
		time.Sleep(50 * time.Millisecond)
		done := make(chan struct{})
		wg.Go(func() { c.DropAll(); close(done) })
		<-done
		wantMiss(t, c, "k")
	})
}

type stallNamed struct {
	suffix string
	on     atomic.Bool
	resume chan struct{}
}

type stallNamedFile struct {
	file
	s *stallNamed
}

func (s *stallNamed) wrap(f file) file {
	if o, ok := f.(*os.File); ok && strings.HasSuffix(o.Name(), s.suffix) {
		return stallNamedFile{f, s}
	}
	return f
}

func (f stallNamedFile) WriteAt(b []byte, off int64) (int, error) {
	if f.s.on.Load() {
		<-f.s.resume
	}
	return f.file.WriteAt(b, off)
}
