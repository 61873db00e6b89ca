package diskcache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"io/fs"
)

// evictedBeforeCommit replaces "k" by a record whose segment is evicted before the record is
// current. What it replaced stays on disk.
func evictedBeforeCommit(t *testing.T, c *Cache) {
	t.Helper()
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	for i := 0; c.disk.active[probation].number == 1; i++ {
		mustPut(t, c, fmt.Sprint(i), NewView(noise(1000)), "v")
	}
	number := c.disk.active[probation].number
	commit := written(t, c, "k", "new")
	evictFile(c, number)
	commit()
}

// TestRecordEvictedBeforeItIsCurrentUncoversNothing: its slot leads nowhere, and what
// it replaced is still there.
func TestRecordEvictedBeforeItIsCurrentUncoversNothing(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	evictedBeforeCommit(t, c)
	wantMiss(t, c, "k")
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// evictUndeletable evicts the first segment, which cannot be deleted as long as then runs,
// and returns its path.
func evictUndeletable(t *testing.T, c *Cache, dir string, then func()) (path string) {
	t.Helper()
	path = filepath.Join(dir, segmentName(1))
	left, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// In its place a folder that is not empty.
	if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	evictFile(c, 1)
	then()
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, left, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFileThatCannotBeDeletedBringsNothingBack: its slots are gone.
func TestFileThatCannotBeDeletedBringsNothingBack(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	evictUndeletable(t, c, dir, func() {})
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// As in TestRecordEvictedBeforeItIsCurrentUncoversNothing, but the index grows before
// anybody asks for the key, and leaves behind slots of deleted files. What the Put
// replaced is still on disk, so a Drop must find something to void.
func TestSlotLeftBehindByGrowthUncoversNothing(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	evictedBeforeCommit(t, c)
	hash := c.hash("k")
	for i := 0; ; i++ { // entries of the same shard, until it grows
		if _, ok := c.peekSlot(hash); !ok {
			break
		}
		if key := fmt.Sprint("more", i); c.shard(c.hash(key)) == c.shard(hash) {
			mustPut(t, c, key, NewView([]byte("x")), "v")
		}
	}
	if !c.disk.table.holds(slot{file: 1}) {
		t.Fatal("not as planned")
	}
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// As in TestFileThatCannotBeDeletedBringsNothingBack, but life goes on for a while: all
// segments that were there have gone, and the drops that concern them could go as well.
func TestFileThatCannotBeDeletedIsNotForgotten(t *testing.T) {
	for _, dropFirst := range []bool{true, false} {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("x")), "v")
		path := evictUndeletable(t, c, dir, func() {})
		if dropFirst {
			c.Drop("k")
		}
		churn(t, c, 0, 1200)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("dropped first: %v: nobody has tried again: %v", dropFirst, err)
		}
		wantNoneBack(t, c, dir, o, []string{"k"})
	}
}

// TestPutThatReplacesWhatCameMeanwhileUncoversNothing: two Puts of a key that is not on
// disk. The first has asked whether it replaces anything (no) when the second begins,
// writes its record and becomes current; then the first draws its number and becomes
// current in turn. When its record is evicted, the other one must not be left behind
// without anything that voids it.
func TestPutThatReplacesWhatCameMeanwhileUncoversNothing(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	fill := func() { // up to the next segment
		for i, n := 0, c.disk.active[probation]; c.disk.active[probation] == n; i++ {
			mustPut(t, c, fmt.Sprint("fill", i), NewView(noise(1000)), "v")
		}
	}
	mustPut(t, c, "other", NewView([]byte("x")), "v")
	hash, data := c.hash("k"), NewView([]byte("first"))

	// As put does:
	c.writing(hash, 1)
	f := c.Fence("k")
	r := c.draftOf("k")
	r.version = []byte("first")
	r.replaces = c.onDisk(hash)
	// the other one
	mustPut(t, c, "k", NewView([]byte("second")), "second")
	sl, _ := c.peekSlot(hash)
	fill()
	// and on:
	p, err := c.write(r, data, f)
	if err != nil {
		t.Fatal(err)
	}
	r.seq = p.seq
	if err := c.commit("k", r, data, f, &p); err != nil {
		t.Fatal(err)
	}
	p.seg.release()
	c.writing(hash, -1)
	wantHit(t, c, "k", []byte("first"))

	fill()
	evictFile(c, p.seg.number)
	if !c.disk.table.holds(sl) {
		t.Fatal("not as planned")
	}
	wantMiss(t, c, "k")
	wantNoneBack(t, c, dir, o, []string{"k"})
}

// TestDropsOutliveAFileThatCannotBeDeleted: the drop that voids what is in it stays until
// it is gone, though no segment that is as old is left.
func TestDropsOutliveAFileThatCannotBeDeleted(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	c.Drop("k")
	evictUndeletable(t, c, dir, func() { churn(t, c, 0, 800) })
	wantMiss(t, open4test(t, writeFolder(t, onDisk(t, dir)), o), "k")
}

// TestStraysAreForgottenWithTheirSegments, so that drops of strangers stay free.
func TestStraysAreForgottenWithTheirSegments(t *testing.T) {
	var s strays
	s.init()
	s.add(7)
	if !s.has(7) || s.has(8) {
		t.Error("added 7")
	}
	s.age(5, 100) // generation ends at 100
	s.add(8)
	s.age(100, 200) // a segment from 100 is left
	if !s.has(7) || !s.has(8) {
		t.Error("forgotten too early")
	}
	s.age(101, 300)
	if s.has(7) || !s.has(8) {
		t.Error("7 should be forgotten, 8 not")
	}
	s.addAll()
	if !s.has(9) {
		t.Error("all")
	}
	s.age(301, 400)
	s.age(401, 500)
	if s.has(9) || s.has(8) {
		t.Error("not forgotten")
	}
}
