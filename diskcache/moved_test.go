package diskcache

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// thief is somebody with access to the disk, who moves whole, authentic
// records of an open cache.
type thief struct {
	t   *testing.T
	c   *Cache
	dir string
}

// loot is where a record is, and its bytes.
type loot struct {
	slot
	path   string
	record []byte
}

func (h thief) take(key string) loot {
	h.t.Helper()
	sl, ok := h.c.peekSlot(h.c.hash(key))
	if !ok {
		h.t.Fatal("nothing is stored under", key)
	}
	l := loot{slot: sl, path: filepath.Join(h.dir, segmentName(sl.file))}
	data, err := os.ReadFile(l.path)
	if err != nil {
		h.t.Fatal(err)
	}
	l.record = data[sl.off:][:sl.size]
	return l
}

// put writes a record over another.
func (h thief) put(record []byte, over loot) {
	h.t.Helper()
	header := func(b []byte) bool { // at the beginning or, in a file of its own, at the end
		return bytes.Equal(b[:headerBytes], over.record[:headerBytes]) || bytes.Equal(b[len(b)-headerBytes:], over.record[len(b)-headerBytes:])
	}
	if len(record) != len(over.record) || !header(record) {
		h.t.Fatal("the records differ in length, which would be noticed too easily")
	}
	f, err := os.OpenFile(over.path, os.O_RDWR, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(record, int64(over.off)); err != nil {
		h.t.Fatal(err)
	}
}

func newThief(t *testing.T) thief {
	dir := newDir(t)
	return thief{t: t, dir: dir, c: open4test(t, dir, damageOptions())}
}

func TestOldRecordOverTheNewOneIsAMiss(t *testing.T) {
	h := newThief(t)
	mustPut(t, h.c, "k", NewView(content("k", 1, 5000)), "1")
	before := h.take("k")
	mustPut(t, h.c, "k", NewView(content("k", 3, 5000)), "3")
	h.put(before.record, h.take("k"))
	wantMiss(t, h.c, "k")
}

func TestRecordInAnotherFileIsAMiss(t *testing.T) {
	h := newThief(t)
	// Large enough for files of their own, where both are at one offset.
	mustPut(t, h.c, "a", NewView(content("a", 1, 100<<10)), "1")
	mustPut(t, h.c, "b", NewView(content("b", 1, 100<<10)), "1")
	a, b := h.take("a"), h.take("b")
	if a.off != b.off || a.file == b.file {
		t.Fatal("not at the same offset of two files")
	}
	h.put(a.record, b)
	wantMiss(t, h.c, "b")
	wantHit(t, h.c, "a", content("a", 1, 100<<10))
}

// TestRecordPutBackAfterItsPlaceWasReusedIsAMiss: a place is written twice
// only if a torn tail was cut off there. The old record is authentic for the
// place, but not the one the index means.
func TestRecordPutBackAfterItsPlaceWasReusedIsAMiss(t *testing.T) {
	h := newThief(t)
	mustPut(t, h.c, "first", View{}, "v")
	mustPut(t, h.c, "k", NewView(content("k", 1, 5000)), "1")
	old := h.take("k")
	if err := h.c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(old.path, int64(old.off)+100); err != nil {
		t.Fatal(err)
	}
	h.c = open4test(t, h.dir, damageOptions())
	mustPut(t, h.c, "k", NewView(content("k", 3, 5000)), "3")
	over := h.take("k")
	if over.path != old.path || over.off != old.off {
		t.Fatal("the place was not used again")
	}
	h.put(old.record, over)
	wantMiss(t, h.c, "k")
}

// TestMovedRecordIsNotFoundAfterARestart: a scan takes its offsets from the
// file, so there it is the associated data that notices.
func TestMovedRecordIsNotFoundAfterARestart(t *testing.T) {
	h := newThief(t)
	mustPut(t, h.c, "b", NewView(content("b", 1, 5000)), "1")
	mustPut(t, h.c, "a", NewView(content("a", 1, 5000)), "1")
	a, b := h.take("a"), h.take("b")
	h.put(a.record, b)
	if err := os.Truncate(a.path, int64(a.off)); err != nil {
		t.Fatal(err)
	}
	h.c = reopen(t, h.c, h.dir, damageOptions())
	wantMiss(t, h.c, "a")
	wantMiss(t, h.c, "b")
}

func TestRenamedFileIsAMiss(t *testing.T) {
	h := newThief(t)
	mustPut(t, h.c, "a", NewView(content("a", 1, 5000)), "1")
	a := h.take("a")
	if err := os.Rename(a.path, filepath.Join(h.dir, segmentName(a.file+1))); err != nil {
		t.Fatal(err)
	}
	h.c = reopen(t, h.c, h.dir, damageOptions())
	wantMiss(t, h.c, "a")
	if st := h.c.Stats(); st.Segments != 0 {
		t.Errorf("%+v", st)
	}
}

// TestExchangedChunksAreAMiss: in a segment, in a file of its own, and of a stream.
func TestExchangedChunksAreAMiss(t *testing.T) {
	for name, maxBytes := range map[string]int64{"segment": 1 << 30, "file": 16 << 20, "stream": 16 << 20} {
		h := newThief(t)
		o := damageOptions()
		o.MaxBytes = maxBytes
		h.c = reopen(t, h.c, h.dir, o)
		data := noise(5*streamChunk + 100)
		if name == "stream" {
			if err := h.c.PutFrom(t.Context(), "k", bytes.NewReader(data), -1, Meta{}, h.c.Fence("k")); err != nil {
				t.Fatal(err)
			}
		} else {
			mustPut(t, h.c, "k", NewView(data), "1")
		}
		l := h.take("k")
		where, err := h.c.disk.locate(l.slot)
		if err != nil {
			t.Fatal(err)
		}
		one, two := where.at[1], where.at[2] // neither is the last
		changed, sealed := bytes.Clone(l.record), two-one
		copy(changed[one:], l.record[two:][:sealed])
		copy(changed[two:], l.record[one:][:sealed])
		h.put(changed, l)
		for _, want := range []bool{false, true} { // it is the order, nothing else
			copied := open4test(t, writeFolder(t, onDisk(t, h.dir)), o)
			if e, err := copied.Get("k"); want != (err == nil) || want && !is(e, data) {
				t.Errorf("%s: in the right order %v: %v", name, want, err)
			}
			h.put(l.record, l)
		}
	}
}
