package diskcache

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A record that was small when it was written is large for a cache that was opened
// with a smaller MaxBytes, and reclaiming copies it into a file of its own. It must not
// get a new number there: a Put that drew its number a moment earlier would take the copy
// for a later Put, return nil, and leave the old data.
func TestCopyIsNoNewerThanItsOriginal(t *testing.T) {
	dir := newDir(t)
	o := Options{MaxBytes: 256 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	old, fresh := content("k", 1, 300<<10), content("k", 3, 140<<10)
	mustPut(t, c, "k", NewView(old), "old")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	// Puts of two chunks write the second one without the gate; that write is held.
	var on atomic.Bool
	reached, resume := make(chan struct{}), make(chan struct{})
	o.MaxBytes = 80 << 20 // half a segment is 160 KiB
	o.wrap = func(f file) file {
		if n, ok := f.(*os.File); !ok || !strings.HasSuffix(n.Name(), segmentSuffix) {
			return f
		}
		return hookedFile{f, func(b []byte, off int64, write func() (int, error)) (int, error) {
			if len(b) > 8<<10 && len(b) < 20<<10 && on.CompareAndSwap(true, false) {
				close(reached)
				<-resume
			}
			return write()
		}}
	}
	c = open4test(t, dir, o)
	if !c.Confirm("k", "old", c.Fence("k")) {
		t.Fatal("not confirmed")
	}
	wantHit(t, c, "k", old) // used: it will be copied
	on.Store(true)
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = c.Put("k", NewView(fresh), Meta{Version: "new"}, c.Fence("k")) })
	<-reached
	for i := 0; c.Stats().Reinserted == 0; i++ { // others put, until it is copied
		mustPut(t, c, fmt.Sprint("other", i), NewView(noise(100<<10)), "v")
	}
	close(resume)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if e, err := c.Get("k"); err == nil && !is(e, fresh) {
		t.Errorf("Put has returned nil, and Get returns version %q, suspect %v", e.Version, e.Suspect)
	}
}
