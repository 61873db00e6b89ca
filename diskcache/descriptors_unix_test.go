//go:build unix

package diskcache

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// A process that is short of descriptors at its start is told so; it must not take what it
// cannot open for damaged.
func TestFewDescriptorsAtOpenDoNotCostTheCache(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 900 {
		mustPut(t, c, fmt.Sprint(i), NewView(noise(3000)), "v")
	}
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	c.Drop("k")
	before := c.Stats()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	few := old
	few.Cur = uint64(descriptors(t) + 20)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), dir, o)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	if !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("Open: %v", err)
	}
	c = open4test(t, dir, o)
	if after := c.Stats(); after.Entries != before.Entries {
		t.Errorf("%d entries before, %d after a start with few descriptors", before.Entries, after.Entries)
	}
	wantMiss(t, c, "k")
}
