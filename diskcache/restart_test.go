package diskcache

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestEveryEntrySurvivesARestartAsSuspectUntilConfirmed(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 64 << 20, Keys: testKeys{}}
	c := open4test(t, dir, o)
	key := func(i int) string { return fmt.Sprint("key", i) }
	for i := range 120 {
		mustPut(t, c, key(i), NewView(content(key(i), i, i*3000)), fmt.Sprint(i))
	}
	if st := c.Stats(); st.Segments < 20 {
		t.Fatalf("the test wants many segments, also of large records: %+v", st)
	}
	for range 3 {
		c = reopen(t, c, dir, o)
		if st := c.Stats(); st.Entries != 120 {
			t.Fatalf("%d entries of 120 came back", st.Entries)
		}
		for i := range 120 {
			if !wantHit(t, c, key(i), content(key(i), i, i*3000)).Suspect {
				t.Fatal(key(i), "is believed without having been confirmed")
			}
			if !c.Confirm(key(i), fmt.Sprint(i), c.Fence(key(i))) {
				t.Fatal(key(i), "cannot be confirmed")
			}
			if wantHit(t, c, key(i), content(key(i), i, i*3000)).Suspect {
				t.Fatal(key(i), "is suspect after it was confirmed")
			}
		}
	}
}

// TestNewestRecordWinsAfterARestart, whichever of the two is in a file of its
// own: files are not in the order of their records then.
func TestNewestRecordWinsAfterARestart(t *testing.T) {
	const small, large = 1000, 200 << 10
	for _, order := range [][]int{{small, small}, {small, large}, {large, small}, {large, large}, {small, large, small}} {
		dir, o := newDir(t), Options{MaxBytes: 16 << 20, Keys: testKeys{}}
		c := open4test(t, dir, o)
		mustPut(t, c, "first", NewView([]byte("x")), "x")
		var want []byte
		for i, size := range order {
			want = content("k", 2*i+1, size)
			mustPut(t, c, "k", NewView(want), fmt.Sprint(i))
		}
		c = reopen(t, c, dir, o)
		wantHit(t, c, "k", want)
		c.Drop("k")
		c = reopen(t, c, dir, o)
		wantMiss(t, c, "k")
		wantHit(t, c, "first", []byte("x"))
		if st := c.Stats(); st.Segments != 1 {
			t.Errorf("sizes %v: large records that are not current keep their files: %+v", order, st)
		}
	}
}

// TestLargeRecordThatShouldHaveBeenDeletedStaysVoid: the process died between
// the record that made it void and the deletion of its file, or somebody put
// the file back.
func TestLargeRecordThatShouldHaveBeenDeletedStaysVoid(t *testing.T) {
	for name, change := range map[string]func(c *Cache){
		"Drop":    func(c *Cache) { c.Drop("k") },
		"DropAll": func(c *Cache) { c.DropAll() },
		"Put":     func(c *Cache) { mustPut(t, c, "k", NewView([]byte("small")), "2") },
	} {
		dir, o := newDir(t), Options{MaxBytes: 16 << 20, Keys: testKeys{}}
		c := open4test(t, dir, o)
		mustPut(t, c, "first", NewView([]byte("x")), "x") // so that small records are in an older file
		mustPut(t, c, "k", NewView(content("k", 1, 200<<10)), "1")
		sl, ok := c.peekSlot(c.hash("k"))
		if !ok {
			t.Fatal("no slot")
		}
		file := segmentName(sl.file)
		large := onDisk(t, dir)[file]
		change(c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, ok := onDisk(t, dir)[file]; ok {
			t.Errorf("%s: the file was not deleted", name)
		}
		if err := os.WriteFile(filepath.Join(dir, file), large, 0o600); err != nil {
			t.Fatal(err)
		}
		c = open4test(t, dir, o)
		if e, err := c.Get("k"); err == nil && e.Version != "2" {
			t.Errorf("%s: version %s came back", name, e.Version)
		}
		if _, ok := onDisk(t, dir)[file]; ok {
			t.Errorf("%s: the file was kept", name)
		}
	}
}

func TestDropAllStaysAfterARestart(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 16 << 20, Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 50 {
		mustPut(t, c, fmt.Sprint(i), NewView(content("k", 1, i*5000)), "v")
	}
	c.DropAll()
	mustPut(t, c, "after", NewView([]byte("x")), "v")
	c = reopen(t, c, dir, o)
	if st := c.Stats(); st.Entries != 1 || st.Segments != 1 {
		t.Errorf("%+v", st)
	}
	wantHit(t, c, "after", []byte("x"))
}

func TestTornTailIsCutOffAndTheRestServed(t *testing.T) {
	dir, o := newDir(t), Options{Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "a", NewView(content("a", 1, 3000)), "v")
	whole, _ := c.disk.usageOf(t)
	mustPut(t, c, "b", NewView(content("b", 1, 3000)), "v")
	torn, name := c.disk.usageOf(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	files := onDisk(t, dir)
	for _, length := range []int64{torn - 1, whole + 100, whole + headerBytes, whole + 1, whole} {
		copied := writeFolder(t, files)
		if err := os.Truncate(filepath.Join(copied, name), length); err != nil {
			t.Fatal(err)
		}
		c := open4test(t, copied, o)
		wantHit(t, c, "a", content("a", 1, 3000))
		wantMiss(t, c, "b")
		mustPut(t, c, "c", NewView([]byte("x")), "v") // goes where the torn one was
		c = reopen(t, c, copied, o)
		wantHit(t, c, "a", content("a", 1, 3000))
		wantHit(t, c, "c", []byte("x"))
		if st := c.Stats(); st.Segments != 1 || st.Damaged != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// usageOf returns the length and name of the segment that is written to.
func (d *disk) usageOf(t *testing.T) (int64, string) {
	t.Helper()
	d.gate.lock()
	defer d.gate.unlock()
	return d.active[probation].size, segmentName(d.active[probation].number)
}

func TestRestartsDoNotPileUpFiles(t *testing.T) {
	dir, o := newDir(t), Options{Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 20 {
		mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
		c = reopen(t, c, dir, o)
	}
	if st := c.Stats(); st.Segments != 1 || st.Entries != 20 {
		t.Errorf("%+v", st)
	}
}

func TestASmallerBoundAppliesToWhatIsFound(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{MaxBytes: 16 << 20, Keys: testKeys{}})
	for i := range 100 {
		mustPut(t, c, fmt.Sprint(i), NewView(content("k", 1, 50<<10)), "v")
	}
	c = reopen(t, c, dir, Options{MaxBytes: 1 << 20, Keys: testKeys{}})
	if st := c.Stats(); st.DiskBytes > 1<<20 || st.Entries == 0 {
		t.Errorf("%+v", st)
	}
	wantHit(t, c, "99", content("k", 1, 50<<10))
	wantMiss(t, c, "0")
}
