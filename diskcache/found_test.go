package diskcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestFolderOfAnotherKeyStartsEmptyAndSaysSo: an operator who mixes up two folders, or
// their keys, would else see a cache that never hits.
func TestFolderOfAnotherKeyStartsEmptyAndSaysSo(t *testing.T) {
	logger, log := logTo()
	dirs, o := [2]string{newDir(t), newDir(t)}, Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, Logger: logger}
	for _, dir := range dirs {
		c := open4test(t, dir, o)
		for i := range 50 {
			mustPut(t, c, fmt.Sprint(i), NewView(noise(5000)), "v")
		}
		c = reopen(t, c, dir, o)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("nothing has happened, and the log says %s", log)
	}
	key, err := os.ReadFile(filepath.Join(dirs[1], keyName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirs[0], keyName), key, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open4test(t, dirs[0], o)
	wantMiss(t, c, "49")
	if text := log.String(); !strings.Contains(text, "another key") || !strings.Contains(text, "left=0") {
		t.Errorf("the log says %q", text)
	}
}

// TestFolderStaysLockedWithoutItsLockFile: somebody has cleaned up.
func TestFolderStaysLockedWithoutItsLockFile(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	for range 2 { // the one that is refused must leave it as it was
		if err := os.Remove(filepath.Join(dir, lockName)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrLocked) {
			t.Fatal(err)
		}
	}
	wantHit(t, c, "k", []byte("x"))
	reopen(t, c, dir, Options{})
}

// TestHugeFileOfOursCostsAtMostItself: somebody has extended it by a terabyte of
// nothing, which takes no space, but would take memory.
func TestHugeFileOfOursCostsAtMostItself(t *testing.T) {
	for _, what := range []string{groupsName, dropsSuffix, bootName, keyName, lockName, segmentSuffix} {
		t.Run(what, func(t *testing.T) {
			dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
			c := open4test(t, dir, o)
			for _, key := range []string{"k", "l"} {
				if err := c.Put(key, NewView([]byte("x")), Meta{Group: "g"}, c.Fence(key)); err != nil {
					t.Fatal(err)
				}
			}
			c.Drop("k")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			found, err := filepath.Glob(filepath.Join(dir, "*"+what))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			if err := os.Truncate(found[0], 1<<40); err != nil {
				t.Fatal(err)
			}
			before := heap()
			c = open4test(t, dir, o)
			if grown := int64(heap()) - int64(before); grown > 16<<20 {
				t.Errorf("%d MiB more", grown>>20)
			}
			wantMiss(t, c, "k")
			if what != keyName {
				wantHit(t, c, "l", []byte("x"))
			}
			mustPut(t, c, "new", NewView([]byte("y")), "v")
			wantHit(t, reopen(t, c, dir, o), "new", []byte("y"))
		})
	}
}

func TestHugeMarkerIsNotOurs(t *testing.T) {
	dir := newDir(t)
	if err := open4test(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, markerName), 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrNotCacheFolder) {
		t.Error(err)
	}
}

// TestLoadedIsClosedByClose: whoever waits for it must not wait for ever.
func TestLoadedIsClosedByClose(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
		left := slowFolder(t, dir, o, 50)
		o.wrap = func(f file) file { return slowly{f, time.Second} }
		c, err := Open(t.Context(), writeFolder(t, left), o)
		if err != nil {
			t.Fatal(err)
		}
		if c.ready() {
			t.Fatal("it was loaded at once")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Loaded():
		case <-time.After(time.Hour):
			t.Error("who waits for it waits for ever")
		}
		wantMiss(t, c, "0")
	})
}

// slowFolder returns the files of a process that was killed with some records.
func slowFolder(t *testing.T, dir string, o Options, n int) map[string][]byte {
	t.Helper()
	c := open4test(t, dir, o)
	for i := range n {
		mustPut(t, c, fmt.Sprint(i), NewView(noise(5000)), "old")
	}
	return onDisk(t, dir)
}

// TestNumbersAreNotGivenOutTwiceIfBootIsLost: those of the process before are far ahead
// of the clock, since it was one of many that followed fast upon each other. What is
// dropped or replaced by the next one, at once, must stay so, for itself and for those
// to come.
func TestNumbersAreNotGivenOutTwiceIfBootIsLost(t *testing.T) {
	for _, how := range []string{"removed", "damaged", "fine"} {
		t.Run(how, func(t *testing.T) {
			testbed.Bubble(t, func(t *testing.T) {
				dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
				c := open4test(t, dir, o)
				mustPut(t, c, "first", NewView([]byte("x")), "v")
				c.disk.seq.Add(1000 << 40)
				if how == "fine" {
					c.disk.saveSeq(c.folder)
				}
				for _, key := range []string{"k", "l"} {
					mustPut(t, c, key, NewView([]byte("x")), "old")
				}
				last, left := c.disk.seq.Load(), onDisk(t, dir)
				switch how {
				case "removed":
					delete(left, bootName)
				case "damaged":
					left[bootName][bootBytes/2] ^= 1
				}
				dir = writeFolder(t, left)
				slow := o
				slow.Logger = slog.New(slog.DiscardHandler)
				slow.wrap = func(f file) file { return slowly{f, time.Second} }
				c, err := Open(t.Context(), dir, slow)
				if err != nil {
					t.Fatal(err)
				}
				if seq := c.disk.seq.Load(); seq < last {
					t.Errorf("begins with %d, after %d", seq, last)
				}
				c.Drop("k")
				mustPut(t, c, "l", NewView([]byte("y")), "new")
				check := func(c *Cache) {
					t.Helper()
					<-c.Loaded()
					wantMiss(t, c, "k")
					wantHit(t, c, "l", []byte("y"))
				}
				check(c)
				check(open4test(t, writeFolder(t, onDisk(t, dir)), o))
				check(reopen(t, c, dir, o))
			})
		})
	}
}

// TestOpenThatWaitsForNumbersCanBeCalledOff, and leaves the folder as it was.
func TestOpenThatWaitsForNumbersCanBeCalledOff(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
		left := slowFolder(t, dir, o, 50)
		delete(left, bootName)
		dir = writeFolder(t, left)
		slow := o
		slow.Logger = slog.New(slog.DiscardHandler)
		slow.wrap = func(f file) file { return slowly{f, time.Hour} }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Open(ctx, dir, slow); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := open4test(t, dir, o).Get("49"); err != nil {
			t.Error(err)
		}
	})
}

// unreadable fails reads of files of a kind, from an offset on.
type unreadable struct {
	file
	from int64
	on   *atomic.Bool
}

func (f unreadable) ReadAt(b []byte, off int64) (int, error) {
	if f.on.Load() && off >= f.from {
		return 0, syscall.EIO
	}
	return f.file.ReadAt(b, off)
}

// TestDropsThatCannotBeReadVoidWhatTheyMayConcern: nobody knows what was dropped, so
// nothing that was found is served, not even by a process that could read them again,
// or when they are gone. What comes after is served.
func TestDropsThatCannotBeReadVoidWhatTheyMayConcern(t *testing.T) {
	for what, from := range map[string]int64{"header": 0, "frames": fileHeader} {
		t.Run(what, func(t *testing.T) {
			var on atomic.Bool
			logger, log := logTo()
			dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, Logger: logger}
			o.wrap = func(f file) file {
				if o, ok := f.(*os.File); ok && strings.HasSuffix(o.Name(), dropsSuffix) {
					return unreadable{f, from, &on}
				}
				return f
			}
			c := open4test(t, dir, o)
			for _, key := range []string{"k", "l", "m"} {
				mustPut(t, c, key, NewView([]byte("x")), "old")
			}
			c.Drop("k")
			on.Store(true)
			c = reopen(t, c, dir, o)
			if !strings.Contains(log.String(), "cannot be read") {
				t.Errorf("the log says %q", log)
			}
			wantMiss(t, c, "k")
			wantMiss(t, c, "l")
			c.Drop("m") // which is not there
			mustPut(t, c, "l", NewView([]byte("y")), "new")
			on.Store(false)
			killed := open4test(t, writeFolder(t, onDisk(t, dir)), o)
			for _, c := range []*Cache{killed, reopen(t, c, dir, o)} {
				wantMiss(t, c, "k")
				wantHit(t, c, "l", []byte("y"))
				wantMiss(t, c, "m")
			}
			if n := strings.Count(log.String(), "cannot be read"); n != 1 {
				t.Errorf("it was emptied %d times", n)
			}
		})
	}
}

// TestWhatIsYoungerThanUnreadableDropsStays: its drops are in a file that can be read.
func TestWhatIsYoungerThanUnreadableDropsStays(t *testing.T) {
	var on atomic.Bool
	oldest := ""
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	o.wrap = func(f file) file {
		if o, ok := f.(*os.File); ok && filepath.Base(o.Name()) == oldest {
			return unreadable{f, 0, &on}
		}
		return f
	}
	c := open4test(t, dir, o)
	for _, process := range []string{"first ", "second "} {
		mustPut(t, c, process+"dropped", NewView([]byte("x")), "v")
		c.Drop(process + "dropped")
		mustPut(t, c, process+"kept", NewView([]byte("x")), "v")
		c = reopen(t, c, dir, o)
	}
	mustPut(t, c, "third", NewView([]byte("x")), "v")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"+dropsSuffix))
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	oldest = filepath.Base(found[0])
	on.Store(true)
	for range 2 {
		c = open4test(t, dir, o)
		for _, key := range []string{"first kept", "first dropped", "second dropped"} {
			wantMiss(t, c, key)
		}
		wantHit(t, c, "second kept", []byte("x"))
		wantHit(t, c, "third", []byte("x"))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		on.Store(false)
	}
}

// TestFolderNamedLikeADropFileVoidsNothing: it is no file of ours.
func TestFolderNamedLikeADropFileVoidsNothing(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "00000009"+dropsSuffix), 0o700); err != nil {
		t.Fatal(err)
	}
	wantHit(t, open4test(t, dir, o), "k", []byte("x"))
}

// TestLastRecordBeforeAFileOfDropsCountsAsOlder: a record that lost against a newer one is
// voided by its own number, so that the next file of drops may begin with just that.
func TestLastRecordBeforeAFileOfDropsCountsAsOlder(t *testing.T) {
	var on atomic.Bool
	oldest := ""
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	o.wrap = func(f file) file {
		if n, ok := f.(*os.File); ok && filepath.Base(n.Name()) == oldest {
			return unreadable{f, 0, &on}
		}
		return f
	}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	sl, _ := c.peekSlot(c.hash("k"))
	c.disk.voidRecord(sl.hash, sl.seq())
	c.disk.drops.files[0].size += dropsBytes // it is full
	c.disk.voidRecord(c.hash("other"), sl.seq())
	if f := c.disk.drops.files; len(f) != 2 || f[1].born != sl.seq() {
		t.Fatal("not as planned")
	}
	oldest = c.disk.drops.files[0].name()
	on.Store(true)
	wantMiss(t, open4test(t, writeFolder(t, onDisk(t, dir)), o), "k")
}
