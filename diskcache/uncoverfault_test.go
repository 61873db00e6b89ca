package diskcache

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestUnreadableBlockUncoversNothing: what the records in it are, their heads say.
func TestUnreadableBlockUncoversNothing(t *testing.T) {
	for how, remove := range removals(t) {
		var armed atomic.Bool
		dir, o := newDir(t), uncoverOptions()
		o.wrap = func(f file) file { return firstReadFails{f, &armed} }
		c := open4test(t, dir, o)
		number := replacedInAnotherSegment(t, c, "new")
		evictOthers(t, c, number)
		armed.Store(true)
		remove(c, number)
		if armed.Load() || c.disk.table.holds(slot{file: number}) {
			t.Fatal(how, "not as planned")
		}
		wantMiss(t, c, "k")
		wantGone(t, dir, o, "k")
	}
}

type firstReadFails struct {
	file
	armed *atomic.Bool
}

func (f firstReadFails) ReadAt(b []byte, off int64) (int, error) {
	if f.armed.Swap(false) {
		return 0, syscall.EIO
	}
	return f.file.ReadAt(b, off)
}

// TestFullDiskUncoversNothing: there is room for what must be noted only when the segment
// has been deleted.
func TestFullDiskUncoversNothing(t *testing.T) {
	dir, o := newDir(t), uncoverOptions()
	number := uint32(0)
	o.wrap = func(f file) file {
		return hookedFile{f, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
			if _, err := os.Stat(filepath.Join(dir, segmentName(number))); number != 0 && err == nil {
				return 0, syscall.ENOSPC
			}
			return write()
		}}
	}
	c := open4test(t, dir, o)
	_, newer := oldAndNew(t, c)
	number = newer
	evictFile(c, newer)
	wantMiss(t, c, "k")
	wantGone(t, dir, o, "k")
}

// TestReclaimWaitsUntilItCanNoteWhatItUncovers: the device refuses it for a while.
func TestReclaimWaitsUntilItCanNoteWhatItUncovers(t *testing.T) {
	var failing atomic.Bool
	dir, o := newDir(t), uncoverOptions()
	o.wrap = func(f file) file {
		return hookedFile{f, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
			if failing.Load() {
				return 0, syscall.EIO
			}
			return write()
		}}
	}
	c := open4test(t, dir, o)
	number := replacedInAnotherSegment(t, c, "new")
	evictOthers(t, c, number)
	failing.Store(true)
	r := &c.disk.reclaim
	r.mu.Lock()
	for range 100 {
		c.disk.step()
	}
	if r.victim == nil || r.victim.number != number || !c.disk.table.holds(slot{file: number}) {
		t.Error("not waiting")
	}
	r.mu.Unlock()
	failing.Store(false)
	c.disk.breaker.until.Store(0)
	wantHit(t, open4test(t, writeFolder(t, onDisk(t, dir)), uncoverOptions()), "k", []byte("new"))
	r.mu.Lock()
	for r.victim != nil {
		c.disk.step()
	}
	c.disk.sweep(1 << 20)
	r.mu.Unlock()
	wantMiss(t, c, "k")
	wantGone(t, dir, o, "k")
}
