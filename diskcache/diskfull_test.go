package diskcache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestFileSystemThatIsTooSmallIsFilledNoFurther: a real one, of 4 MiB, for a cache
// that was promised 64. Every Put succeeds, a twentieth stays free, and what is
// cached is right.
func TestFileSystemThatIsTooSmallIsFilledNoFurther(t *testing.T) {
	dir := smallFileSystem(t, "4m")
	c := open4test(t, dir, Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}})
	c.disk.space.now = func() int64 { return c.disk.space.sampled + 2*samplePause } // look every time
	for i := range 3000 {
		key := fmt.Sprint(i)
		mustPut(t, c, key, NewView(content(key, 1, 5000+i%7*10_000)), "v")
		if i%50 == 0 {
			total, free := spaceOf(t, dir)
			if free < total/spareShare-footprint(300<<10) {
				t.Fatalf("after %d Puts %d of %d bytes are free", i, free, total)
			}
		}
	}
	checkRest(t, c, 3000)
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "others"), make([]byte, 2<<20), 0o600); err != nil {
		t.Log("the neighbour found no room:", err)
	}
	before := c.Stats().DiskBytes
	mustPut(t, c, "after", NewView([]byte("x")), "v")
	if after := c.Stats().DiskBytes; after >= before {
		t.Errorf("the cache did not shrink for its neighbour: %d bytes, %d before", after, before)
	}
	wantHit(t, c, "after", []byte("x"))
}

// TestFileSystemFilledByOthersIsBypassed: there is no room at all, and nothing to
// evict. Puts fail and say so, Gets are served from memory, nothing panics; once
// there is room again, the cache goes on.
func TestFileSystemFilledByOthersIsBypassed(t *testing.T) {
	dir := smallFileSystem(t, "4m")
	c := open4test(t, dir, Options{MaxBytes: 64 << 20, Keys: testKeys{}, statfs: func() (int64, int64, error) { return 1 << 40, 1 << 39, nil }})
	mustPut(t, c, "first", NewView([]byte("x")), "v")
	others := filepath.Join(filepath.Dir(dir), "others")
	f, err := os.Create(others)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := noise(4096); ; {
		if _, err := f.Write(block); err != nil {
			break // full to the last block
		}
	}
	full := 0
	for i := range 200 {
		key := fmt.Sprint(i)
		err := c.Put(key, NewView(content(key, 1, 3000)), Meta{}, c.Fence(key))
		if errors.Is(err, syscall.ENOSPC) {
			full++
		} else if err != nil {
			t.Fatal(err)
		}
		wantHit(t, c, key, content(key, 1, 3000))
	}
	if full == 0 {
		t.Error("the disk was never full")
	}
	c.Drop("first")
	wantMiss(t, c, "first")
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	c.clear() // what is in memory only
	mustPut(t, c, "after", NewView([]byte("y")), "v")
	c = reopen(t, c, dir, Options{MaxBytes: 64 << 20, Keys: testKeys{}})
	wantHit(t, c, "after", []byte("y"))
	wantMiss(t, c, "first")
}

// smallFileSystem mounts one of that size and returns a folder to be made in it.
func smallFileSystem(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("mounting a small file system needs a privilege: %v (TestFullDiskEvictsTheOldestAndTriesOnceMore covers the rest)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "cache")
}

func spaceOf(t *testing.T, dir string) (total, free int64) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if total, free, err = statfs(f); err != nil {
		t.Fatal(err)
	}
	return total, free
}

// checkRest wants the last entry, and of the others a miss or the right bytes.
func checkRest(t *testing.T, c *Cache, n int) {
	t.Helper()
	hits := 0
	for i := range n {
		key := fmt.Sprint(i)
		e, err := c.Get(key)
		if err == nil && !is(e, content(key, 1, 5000+i%7*10_000)) {
			t.Fatal("wrong bytes under", key)
		}
		if err == nil {
			hits++
		} else if i == n-1 {
			t.Error("the last entry is a miss")
		}
	}
	if hits < 40 {
		t.Errorf("%d entries are left", hits)
	}
}

// stalling is a device that stops answering.
type stalling struct {
	mu      sync.Mutex
	stalled chan struct{} // not nil: operations wait until it is closed
	inside  atomic.Int64
}

type stallingFile struct {
	file
	*stalling
}

func (s *stalling) wrap(f file) file { return stallingFile{f, s} }

func (s *stalling) stall() (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stalled := make(chan struct{})
	s.stalled = stalled
	return func() {
		s.mu.Lock()
		s.stalled = nil
		s.mu.Unlock()
		close(stalled)
	}
}

func (s *stalling) wait() {
	s.mu.Lock()
	stalled := s.stalled
	s.mu.Unlock()
	if stalled != nil {
		s.inside.Add(1)
		<-stalled
		s.inside.Add(-1)
	}
}

func (f stallingFile) ReadAt(b []byte, off int64) (int, error) {
	f.wait()
	return f.file.ReadAt(b, off)
}

func (f stallingFile) WriteAt(b []byte, off int64) (int, error) {
	f.wait()
	return f.file.WriteAt(b, off)
}

// TestStalledDeviceIsBypassed: those who are already reading wait; whoever comes
// later has a miss, or a Put that fails, within the stall time. When the device
// answers again, so does the cache.
func TestStalledDeviceIsBypassed(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var dev stalling
		c := open4test(t, newDir(t), Options{MemoryBytes: -1, wrap: dev.wrap})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		resume := dev.stall()
		var stuck sync.WaitGroup
		for range stallWidth {
			stuck.Go(func() { wantHit(t, c, "k", []byte("x")) })
		}
		synctest.Wait()
		began := time.Now()
		_, _ = c.Get("other") // no slot: no disk
		for i := range 100 {
			if i < 4 {
				stuck.Go(func() { _, _ = c.Get("k") })
			}
			time.Sleep(stallTime / 4)
		}
		wantMiss(t, c, "k")
		if err := c.Put("new", NewView([]byte("y")), Meta{}, c.Fence("new")); !errors.Is(err, errTripped) {
			t.Errorf("Put: %v", err)
		}
		c.Drop("never mind")
		if took := time.Since(began); took > 100*stallTime/4+10*time.Second {
			t.Errorf("callers waited for %v", took)
		}
		if st := c.Stats(); st.Bypassed == 0 {
			t.Errorf("%+v", st)
		}
		resume()
		stuck.Wait()
		time.Sleep(2 * lastPause)
		wantHit(t, c, "k", []byte("x")) // nobody has taken the entry for damaged
		mustPut(t, c, "new", NewView([]byte("y")), "v")
		wantHit(t, c, "new", []byte("y"))
	})
}

// TestStalledWriteDoesNotStopTheOthers: one Put hangs with the gate in hand.
func TestStalledWriteDoesNotStopTheOthers(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var dev stalling
		c := open4test(t, newDir(t), Options{wrap: dev.wrap})
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		resume := dev.stall()
		var stuck sync.WaitGroup
		stuck.Go(func() { mustPut(t, c, "stuck", NewView([]byte("y")), "v") })
		synctest.Wait()
		for i := range 20 {
			began := time.Now()
			key := fmt.Sprint(i)
			if err := c.Put(key, NewView([]byte("z")), Meta{}, c.Fence(key)); err == nil {
				t.Error("Put to a stalled disk succeeded")
			}
			c.Drop("k")
			wantMiss(t, c, "k")
			wantHit(t, c, key, []byte("z")) // from memory
			if took := time.Since(began); took > 4*stallTime {
				t.Fatalf("operation %d took %v", i, took)
			}
		}
		resume()
		stuck.Wait()
		time.Sleep(2 * lastPause)
		mustPut(t, c, "after", NewView([]byte("y")), "v")
		wantHit(t, c, "stuck", []byte("y"))
	})
}

// TestFailingDeviceIsGivenARestAndTriedAgain, more and more rarely, but for ever.
func TestFailingDeviceIsGivenARestAndTriedAgain(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		var fl faults
		c := open4test(t, newDir(t), Options{MemoryBytes: -1, wrap: fl.wrap})
		for i := range 800 {
			mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
		}
		fl.fail(&fl.read, syscall.EIO, 1<<40)
		tried := func() int64 { return 1<<40 - fl.times.Load() }
		for i := range 100 {
			wantMiss(t, c, fmt.Sprint(i))
		}
		if n := tried(); n != failuresToTrip {
			t.Errorf("a failing disk was tried %d times at once", n)
		}
		before := tried()
		for i := range 600 { // ten minutes
			time.Sleep(time.Second)
			wantMiss(t, c, fmt.Sprint(100+i))
		}
		if n := tried() - before; n < 8 || n > 60 {
			t.Errorf("tried %d times in ten minutes", n)
		}
		fl.read.Store(nil)
		time.Sleep(lastPause + time.Second)
		wantHit(t, c, "799", []byte("x"))
		wantHit(t, c, "798", []byte("x"))
	})
}
