package diskcache

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// hookedFile hands every write to a hook, with the write itself.
type hookedFile struct {
	file
	hook func(b []byte, off int64, write func() (int, error)) (int, error)
}

func (f hookedFile) WriteAt(b []byte, off int64) (int, error) {
	return f.hook(b, off, func() (int, error) { return f.file.WriteAt(b, off) })
}

// pause stops the write of a large record's second part, after it has reached the
// disk, until it is told to go on.
type pause struct {
	reached, resume chan struct{}
	once            sync.Once
}

func newPause() *pause {
	return &pause{reached: make(chan struct{}), resume: make(chan struct{})}
}

func (p *pause) wrap(f file) file {
	return hookedFile{f, func(b []byte, off int64, write func() (int, error)) (int, error) {
		n, err := write()
		if off > chunkPlain && len(b) > 50_000 && err == nil {
			p.once.Do(func() {
				close(p.reached)
				<-p.resume
			})
		}
		return n, err
	}}
}

// killedDuringPut puts a large record whose last write returns late, calls
// meanwhile, and then reads the folder as a SIGKILL would leave it.
func killedDuringPut(t *testing.T, c *Cache, dir string, p *pause, meanwhile func()) *Cache {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		f := c.Fence("k")
		if err := c.Put("k", NewView(content("k", 1, 200<<10)), Meta{Version: "v"}, f); !errors.Is(err, ErrFenced) {
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

// TestDropOutlivesTheRecordItVoids: the Put of a large record is about to return,
// the key is dropped, or everything is, then so many entries follow that whatever
// is evicted in between would be, and the process is killed.
func TestDropOutlivesTheRecordItVoids(t *testing.T) {
	for _, churn := range []int{0, 3, 10, 25, 100} {
		for name, drop := range map[string]func(c *Cache){
			"Drop":    func(c *Cache) { c.Drop("k") },
			"DropAll": func(c *Cache) { c.DropAll() },
		} {
			p := newPause()
			dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: p.wrap}
			c := open4test(t, dir, o)
			mustPut(t, c, "first", NewView([]byte("x")), "v")
			killed := killedDuringPut(t, c, dir, p, func() {
				drop(c)
				for i := range churn {
					key := fmt.Sprint("churn", i)
					mustPut(t, c, key, NewView(content(key, 1, 30<<10)), "v")
				}
			})
			if _, err := killed.Get("k"); err == nil {
				t.Errorf("%s, then %d Puts: it came back", name, churn)
			}
			if st := killed.Stats(); churn == 100 && st.Entries < 15 {
				t.Errorf("the cache was not full: %+v", st)
			}
		}
	}
}

// TestDropIsNotForgottenWhileAnOlderVersionIsOnDisk: an entry that was used lives in
// the main queue, its replacement is evicted from probation before it, and then the
// key is dropped: there is no slot, but there is a record.
func TestDropIsNotForgottenWhileAnOlderVersionIsOnDisk(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	old := func(i int) string { return fmt.Sprint("old", i) }
	for i := range 10 {
		mustPut(t, c, old(i), NewView(content(old(i), 1, 2000)), "1")
	}
	churn := 0
	put := func() {
		key := fmt.Sprint("churn", churn)
		mustPut(t, c, key, NewView(content(key, 1, 5000)), "v")
		churn++
	}
	for c.Stats().Reinserted < 10 {
		for i := range 10 {
			wantHit(t, c, old(i), content(old(i), 1, 2000))
		}
		put()
	}
	for i := range 10 {
		mustPut(t, c, old(i), NewView(content(old(i), 3, 2000)), "3")
	}
	for i := range 10 {
		for _, ok := c.peekSlot(c.hash(old(i))); ok; _, ok = c.peekSlot(c.hash(old(i))) {
			put()
		}
		c.Drop(old(i))
	}
	killed := open4test(t, writeFolder(t, onDisk(t, dir)), o)
	for i := range 10 {
		wantMiss(t, killed, old(i))
	}
}

// TestDropsOfKeysThatWereNeverStoredTakeNoSpace: peers announce them all the time.
func TestDropsOfKeysThatWereNeverStoredTakeNoSpace(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{MaxBytes: 1 << 20, Keys: testKeys{}})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	before := c.Stats().DiskBytes
	for i := range 100_000 {
		c.Drop(fmt.Sprint("never stored ", i))
	}
	if after := c.Stats().DiskBytes; after != before {
		t.Errorf("%d bytes before, %d after", before, after)
	}
}

// TestDropsStayWithinTheBound, also where they are all that ever happens.
func TestDropsStayWithinTheBound(t *testing.T) {
	t.Parallel()
	const maxBytes = 1 << 20
	dir := newDir(t)
	c := open4test(t, dir, Options{MaxBytes: maxBytes, Keys: testKeys{}})
	for i := range 30_000 {
		key := fmt.Sprint(i % 100)
		mustPut(t, c, key, NewView([]byte("x")), "v")
		c.Drop(key)
	}
	if used, st := folderBytes(t, dir), c.Stats(); used > maxBytes+5*diskBlock || st.DiskBytes > maxBytes {
		t.Errorf("%d bytes in the folder, %+v", used, st)
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
