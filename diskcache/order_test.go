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
)

// hookedFile hands every write to a hook, with the write itself.
type hookedFile struct {
	file
	hook func(b []byte, write func() (int, error)) (int, error)
}

func (f hookedFile) WriteAt(b []byte, off int64) (int, error) {
	return f.hook(b, func() (int, error) { return f.file.WriteAt(b, off) })
}

// pause stops the n-th write of a large body, after it has reached the disk,
// until it is told to go on.
type pause struct {
	reached, resume chan struct{}

	mu sync.Mutex
	n  int
}

func newPause(n int) *pause {
	return &pause{reached: make(chan struct{}), resume: make(chan struct{}), n: n}
}

func (p *pause) wrap(f file) file {
	return hookedFile{f, func(b []byte, write func() (int, error)) (int, error) {
		n, err := write()
		if len(b) > chunkBytes+1000 && err == nil && p.counts() {
			close(p.reached)
			<-p.resume
		}
		return n, err
	}}
}

func (p *pause) counts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n--
	return p.n == 0
}

// killedDuringPut puts a large record whose last write returns late, calls
// meanwhile, and then reads the folder as a SIGKILL would leave it.
func killedDuringPut(t *testing.T, c *Cache, dir string, p *pause, size int, meanwhile func()) *Cache {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		f := c.Fence("k")
		if err := c.Put("k", NewView(content("k", 1, size)), Meta{Version: "v"}, f); !errors.Is(err, ErrFenced) {
			t.Errorf("Put of what was dropped meanwhile: %v", err)
		}
	})
	<-p.reached
	meanwhile()
	left := onDisk(t, dir)
	close(p.resume)
	wg.Wait()
	return open4test(t, writeFolder(t, left), damageOptions())
}

// TestDropOutlivesTheLargeRecordItVoids: the Put of a large record is about to
// return, the key is dropped, so many entries follow that the drop is evicted,
// and the process is killed. The record must have been evicted before.
func TestDropOutlivesTheLargeRecordItVoids(t *testing.T) {
	for _, early := range []bool{true, false} { // the drop in an older file than the record, or in a newer one
		p := newPause(1)
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: p.wrap}
		c := open4test(t, dir, o)
		if early {
			mustPut(t, c, "first", NewView([]byte("x")), "v")
		}
		killed := killedDuringPut(t, c, dir, p, 100<<10, func() {
			c.Drop("k")
			_, name := c.disk.usageOf(t)
			for i := 0; exists(t, dir, name); i++ {
				key := fmt.Sprint("churn", i)
				mustPut(t, c, key, NewView(content(key, 1, 30<<10)), "v")
			}
		})
		wantMiss(t, killed, "k")
		if st := killed.Stats(); st.Entries < 20 {
			t.Errorf("the cache was not full: %+v", st)
		}
	}
}

// TestFullDiskDoesNotEvictTheDropOfWhatIsBeingWritten: a full disk may not make
// room for a large record at the cost of the drop that voids it.
func TestFullDiskDoesNotEvictTheDropOfWhatIsBeingWritten(t *testing.T) {
	first, full := newPause(1), make(chan struct{})
	dir := newDir(t)
	var failed atomic.Int64 // the write and its repetition under the lock
	wrap := func(f file) file {
		return hookedFile{first.wrap(f), func(b []byte, write func() (int, error)) (int, error) {
			select {
			case <-full:
				if len(b) > chunkBytes+1000 && failed.Add(1) <= 2 {
					return 0, syscall.ENOSPC
				}
			default:
			}
			return write()
		}}
	}
	c := open4test(t, dir, Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: wrap})
	var wg sync.WaitGroup
	wg.Go(func() {
		f := c.Fence("k")
		if err := c.Put("k", NewView(content("k", 1, 2<<20)), Meta{Version: "v"}, f); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, ErrFenced) {
			t.Errorf("Put: %v", err)
		}
	})
	<-first.reached
	c.Drop("k")
	_, drop := c.disk.usageOf(t)
	close(full)
	close(first.resume)
	wg.Wait()
	if failed.Load() < 2 {
		t.Error("the disk was not full")
	}
	if !exists(t, dir, drop) {
		t.Error("the drop was evicted before the record")
	}
}

// TestLargeRecordsThatAreReplacedLeaveNoFilesBehind, nor do the small ones
// stored in between: the number of open files depends on it.
func TestLargeRecordsThatAreReplacedLeaveNoFilesBehind(t *testing.T) {
	dir, o := newDir(t), damageOptions()
	c := open4test(t, dir, o)
	for i := range 100 {
		mustPut(t, c, "large", NewView(content("large", 1, 100<<10)), "v")
		mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
		c.Drop(fmt.Sprint(i - 1))
		if st := c.Stats(); st.Segments > 2 {
			t.Fatalf("round %d: %+v", i, st)
		}
	}
	c = reopen(t, c, dir, o)
	wantHit(t, c, "large", content("large", 1, 100<<10))
}

func exists(t *testing.T, dir, name string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}
