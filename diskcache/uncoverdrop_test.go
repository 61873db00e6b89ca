package diskcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// TestRecordDeletedDuringItsDropUncoversNothing: the slot has gone, the drop is waiting
// for the disk, and who has it evicts the record.
func TestRecordDeletedDuringItsDropUncoversNothing(t *testing.T) {
	for what, drop := range map[string]func(c *Cache){
		"Drop":    func(c *Cache) { c.Drop("k") },
		"DropAll": func(c *Cache) { c.DropAll() },
	} {
		dir, o := newDir(t), uncoverOptions()
		c := open4test(t, dir, o)
		_, number := oldAndNew(t, c)
		hash := c.hash("k")
		var wg sync.WaitGroup
		c.disk.gate.lock()
		wg.Go(func() { drop(c) })
		for _, ok := c.peekSlot(hash); ok; _, ok = c.peekSlot(hash) {
			runtime.Gosched()
		}
		c.writing(hash, 1)
		if !c.onDisk(hash) {
			t.Error(what, "a Put would take what is being dropped for gone")
		}
		c.writing(hash, -1)
		s := c.disk.table.acquire(number)
		c.disk.evict(s)
		s.release()
		wantGone(t, dir, o, "k")
		c.disk.gate.unlock()
		wg.Wait()
		wantGone(t, dir, o, "k")
		before := c.Stats().DiskBytes
		for i := range 1000 {
			c.Drop(fmt.Sprint("never stored ", i))
		}
		if after := c.Stats().DiskBytes; after != before {
			t.Errorf("%s: drops of strangers take %d bytes from then on", what, after-before)
		}
	}
}

// onLog calls a hook for every line that is logged.
type onLog struct {
	slog.Handler
	hook func()
}

func (h onLog) Handle(context.Context, slog.Record) error { h.hook(); return nil }

func (h onLog) Enabled(context.Context, slog.Level) bool { return true }

// TestAllThatIsDeletedUncoversNothingOnTheWay: an old version is in a younger file than
// the current one, since it was copied before it was replaced. A process killed in the
// middle of DropAll or Shred must not leave the old one alone. The middle is where a file
// cannot be deleted, which is logged.
func TestAllThatIsDeletedUncoversNothingOnTheWay(t *testing.T) {
	for what, remove := range map[string]func(c *Cache) error{
		"DropAll": func(c *Cache) error { c.DropAll(); return nil },
		"Shred":   func(c *Cache) error { return c.Shred(t.Context()) },
	} {
		dir, o := newDir(t), uncoverOptions()
		var stuck string
		var left map[string][]byte
		o.Logger = slog.New(onLog{slog.DiscardHandler, func() {
			if stuck == "" || left != nil {
				return
			}
			if err := os.RemoveAll(stuck); err != nil {
				t.Error(err)
			}
			left = onDisk(t, dir)
		}})
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		_, _ = c.Get("k")
		closeSegment(t, c)
		mustPut(t, c, "large", NewView(noise(20_000)), "v")
		reclaimOne(t, c)
		older := fileOf(t, c, "k")
		mustPut(t, c, "k", NewView([]byte("new")), "new")
		if n := fileOf(t, c, "large"); n < fileOf(t, c, "k") || n > older {
			t.Fatal("not as planned")
		}
		stuck = undeletable(t, dir, fileOf(t, c, "large"))
		if err := remove(c); err != nil {
			t.Error(what, err)
		}
		if left == nil {
			t.Fatal("all has been deleted")
		}
		o.Logger = nil
		wantMiss(t, open4test(t, writeFolder(t, left), o), "k")
	}
}

// undeletable puts a folder that is not empty in the place of a segment.
func undeletable(t *testing.T, dir string, number uint32) (path string) {
	t.Helper()
	path = filepath.Join(dir, segmentName(number))
	if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	return path
}
