package diskcache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// failWrap can unwrap, but not wrap any more.
type failWrap struct {
	testKeys
	fail *bool
}

func (k failWrap) WrapKey(ctx context.Context, key []byte) ([]byte, error) {
	if *k.fail {
		return nil, errors.New("no")
	}
	return k.testKeys.WrapKey(ctx, key)
}

// Some files cannot be deleted, and the keyring cannot wrap a new key. The old key must go
// all the same, else the next Open serves what could not be deleted.
func TestShredThatFailsHalfwayLeavesNoKey(t *testing.T) {
	fail := false
	dir, o := newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: -1, Keys: failWrap{fail: &fail}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	path := filepath.Join(dir, segmentName(1))
	left, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// In place of the segment, and of all that a folder might list before the key, what
	// cannot be deleted, as in TestFileThatCannotBeDeletedBringsNothingBack.
	var stuck []string
	block := func(p string) {
		stuck = append(stuck, p)
		_ = os.Remove(p)
		if err := os.MkdirAll(filepath.Join(p, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	block(path)
	for n := uint32(1000); n < 1100; n++ {
		block(filepath.Join(dir, segmentName(n)))
	}
	fail = true
	if err := c.Shred(t.Context()); err == nil {
		t.Fatal("Shred succeeded")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range stuck {
		if err := os.RemoveAll(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, left, 0o600); err != nil {
		t.Fatal(err)
	}
	c = open4test(t, dir, o)
	if e, err := c.Get("k"); err == nil {
		t.Errorf("shredded (with an error that says the next Open deletes the rest), and found by the next Open: %v", e)
	}
}

// Shred waits for a Put that hangs in the device. Were it to wait for the lock, every call
// that is not served from memory would wait behind it.
func TestShredOnAStalledDeviceStopsNobody(t *testing.T) {
	s := &stallNamed{suffix: segmentSuffix, resume: make(chan struct{})}
	c := open4test(t, newDir(t), Options{Keys: testKeys{}, wrap: s.wrap})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	s.on.Store(true)
	done := make(chan struct{}, 3)
	go func() { _ = c.Put("n", NewView([]byte("x")), Meta{}, c.Fence("n")); done <- struct{}{} }()
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	go func() { _ = c.Shred(ctx); done <- struct{}{} }()
	time.Sleep(50 * time.Millisecond)
	got := make(chan struct{})
	go func() { _, _ = c.Get("absent"); close(got); done <- struct{}{} }()
	<-got
	close(s.resume)
	for range 3 {
		<-done
	}
}

// What Shred deletes and every Open needs is written again.
func TestOpenAfterShredMissesNothing(t *testing.T) {
	dir, o := newDir(t), Options{MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	if err := c.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	logger, log := logTo()
	o.Logger = logger
	c = reopen(t, c, dir, o)
	wantHit(t, c, "k", []byte("x"))
	if strings.Contains(log.String(), "lost") {
		t.Error(log.String())
	}
}

// pausedRead holds the loader's read of the first file of drops.
type pausedRead struct {
	file
	hold func(off int64)
}

func (f pausedRead) ReadAt(b []byte, off int64) (int, error) {
	f.hold(off)
	return f.file.ReadAt(b, off)
}

// Shred deletes the files of drops while the loader reads them, one after the other.
// Those that are gone must not be taken for damaged, which would void all.
func TestShredWhileLoadingVoidsNothingThatComesAfterIt(t *testing.T) {
	dir, o := newDir(t), Options{MemoryBytes: -1, Keys: testKeys{}}
	for range 3 { // three files of drops
		c := open4test(t, dir, o)
		mustPut(t, c, "other", NewView([]byte("x")), "v")
		c.Drop("other")
		mustPut(t, c, "stays", NewView([]byte("x")), "v")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var once atomic.Bool
	reached, resume := make(chan struct{}), make(chan struct{})
	logger, log := logTo()
	o.Logger = logger
	o.wrap = func(f file) file {
		if n, ok := f.(*os.File); !ok || !strings.HasSuffix(n.Name(), dropsSuffix) {
			return f
		}
		return pausedRead{f, func(off int64) {
			if off >= fileHeader && once.CompareAndSwap(false, true) {
				close(reached)
				<-resume
			}
		}}
	}
	c, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := c.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	close(resume)
	<-c.Loaded()
	wantHit(t, c, "k", []byte("x"))
	o.wrap = nil
	c = reopen(t, c, dir, o)
	if _, err := c.Get("k"); err != nil {
		t.Errorf("stored after the Shred, and lost by a restart; the log: %s", log)
	}
}
