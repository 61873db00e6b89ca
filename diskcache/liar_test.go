package diskcache

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// liar fails one write after all of it has reached the disk.
func liar(which func(b []byte, off int64) bool, then func()) func(file) file {
	var done atomic.Bool
	return func(f file) file {
		if n, ok := f.(*os.File); !ok || !strings.HasSuffix(n.Name(), segmentSuffix) {
			return f
		}
		return hookedFile{f, func(b []byte, off int64, write func() (int, error)) (int, error) {
			n, err := write()
			if err == nil && which(b, off) && done.CompareAndSwap(false, true) {
				if then != nil {
					then()
				}
				return n, syscall.EIO
			}
			return n, err
		}}
	}
}

// The last chunk of a record in a segment is written, but the device says that it is
// not. Put fails; the key is dropped; the process is killed.
func TestRecordWhoseBodyWriteFailedDoesNotComeBack(t *testing.T) {
	dir := newDir(t)
	o := Options{MaxBytes: 256 << 20, MemoryBytes: -1, Keys: testKeys{},
		wrap: liar(func(b []byte, off int64) bool { return len(b) > 8<<10 && len(b) < 100<<10 }, nil)}
	c := open4test(t, dir, o)
	data := content("k", 1, 140<<10) // two chunks; the second is written without the gate
	if err := c.Put("k", NewView(data), Meta{Version: "v"}, c.Fence("k")); err == nil {
		t.Fatal("nothing failed")
	}
	wantMiss(t, c, "k")
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// The end of a large record's file is written, but the device says that it is not, and
// is busy with another write when the file should be deleted.
func TestLargeRecordWhoseEndFailedDoesNotComeBack(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		dir := newDir(t)
		var c *Cache
		var armed atomic.Bool
		o := Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{},
			wrap: liar(func(b []byte, off int64) bool {
				h, ok := parseHeader(b)
				return armed.Load() && ok && h.block()
			}, func() {
				go func() { // as another Put in the device would
					c.disk.gate.lock()
					time.Sleep(stallTime + time.Second)
					c.disk.gate.unlock()
				}()
				time.Sleep(50 * time.Millisecond)
			})}
		c = open4test(t, dir, o)
		armed.Store(true)
		if err := c.Put("k", NewView(noise(1<<20)), Meta{Version: "v"}, c.Fence("k")); err == nil {
			t.Fatal("nothing failed")
		}
		c.disk.gate.lock()
		c.disk.gate.unlock()
		c.disk.breaker.until.Store(0)
		wantMiss(t, c, "k")
		wantNoneBack(t, c, dir, o, []string{"k"})
	})
}

// The first write of a record is done, but the device says that it is not. No other
// record takes the place; the key is dropped; the process is killed.
func TestRecordWhoseFirstWriteFailedDoesNotComeBack(t *testing.T) {
	dir := newDir(t)
	o := Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{},
		wrap: liar(func(_ []byte, off int64) bool { return off >= fileHeader }, nil)}
	c := open4test(t, dir, o)
	if err := c.Put("k", NewView([]byte("x")), Meta{Version: "v"}, c.Fence("k")); err == nil {
		t.Fatal("nothing failed")
	}
	wantMiss(t, c, "k")
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// A record is written, but not the block that is due behind it, which is part of the same
// Put. That fails, and the record is whole.
func TestRecordWhoseBlockFailedDoesNotComeBack(t *testing.T) {
	dir := newDir(t)
	o := Options{MaxBytes: 256 << 20, MemoryBytes: -1, Keys: testKeys{},
		wrap: liar(func(b []byte, _ int64) bool {
			h, ok := parseHeader(b)
			return ok && h.block()
		}, nil)}
	c := open4test(t, dir, o)
	for i := range blockEntries {
		key := fmt.Sprint(i)
		if c.Put(key, NewView([]byte("x")), Meta{Version: "v"}, c.Fence(key)) != nil {
			wantMiss(t, c, key)
			wantNoneBack(t, c, dir, o, []string{key})
			return
		}
	}
	t.Fatal("nothing failed")
}
