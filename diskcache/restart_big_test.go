package diskcache

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// bigRestart says how many entries to restart with; default 30,000.
const bigRestart = "DISKCACHE_RESTART_ENTRIES"

// TestOpenServesBeforeEverythingIsFound measures and logs; what it asserts is that
// a miss, a Put, a Drop and DropAll are right while loading goes on.
func TestOpenServesBeforeEverythingIsFound(t *testing.T) {
	entries := 30_000
	if n, err := strconv.Atoi(os.Getenv(bigRestart)); err == nil {
		entries = n
	}
	dir, o := newDir(t), Options{MaxBytes: max(int64(entries)*400, 64<<20), MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	key := func(i int) string { return fmt.Sprintf("patients/%08d", i) }
	for i := range entries {
		mustPut(t, c, key(i), NewView([]byte(key(i))), "v")
	}
	c.Drop(key(5))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	o.wrap = slowReads(entries)
	began := time.Now()
	c, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	opened := time.Since(began)
	early := !c.ready()
	c.Drop(key(6))
	mustPut(t, c, key(7), NewView([]byte("new")), "new")
	wantHit(t, c, key(7), []byte("new"))
	<-c.Loaded()
	t.Logf("%d entries: opened after %v, complete after %v; asked before it was: %v", entries, opened, time.Since(began), early)
	defer c.Close()
	wantMiss(t, c, key(5))
	wantMiss(t, c, key(6))
	wantHit(t, c, key(7), []byte("new"))
	st := c.Stats()
	if st.Entries != entries-2 || st.Scanned != 0 || st.DiskErrors > 0 {
		t.Errorf("%+v", st)
	}
	for i := 8; i < entries; i += 1 + entries/1000 {
		if !wantHit(t, c, key(i), []byte(key(i))).Suspect {
			t.Fatal("believed")
		}
	}
}

// slowReads makes a small folder take longer to load than Open is patient.
func slowReads(entries int) func(file) file {
	if entries > 1_000_000 {
		return nil
	}
	return func(f file) file { return slowFile{f} }
}

type slowFile struct{ file }

func (f slowFile) ReadAt(b []byte, off int64) (int, error) {
	if len(b) > 20_000 { // an index block
		time.Sleep(30 * time.Millisecond)
	}
	return f.file.ReadAt(b, off)
}

// heldFile keeps index blocks from being read until it is told to go on.
type heldFile struct {
	file
	resume chan struct{}
}

func (f heldFile) ReadAt(b []byte, off int64) (int, error) {
	if len(b) > 20_000 {
		<-f.resume
	}
	return f.file.ReadAt(b, off)
}

// TestEverythingDroppedWhileLoadingStaysDropped.
func TestEverythingDroppedWhileLoadingStaysDropped(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(c *Cache) error{
		"DropAll": func(c *Cache) error { c.DropAll(); return nil },
		"Shred":   func(c *Cache) error { return c.Shred(t.Context()) },
		"Close":   func(c *Cache) error { return c.Close() },
	} {
		dir, o := newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}}
		c := open4test(t, dir, o)
		for i := range 10_000 {
			mustPut(t, c, fmt.Sprint(i), NewView([]byte("x")), "v")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		held, resume := o, make(chan struct{})
		held.wrap = func(f file) file { return heldFile{f, resume} }
		c, err := Open(t.Context(), dir, held)
		if err != nil {
			t.Fatal(err)
		}
		if c.ready() {
			t.Error("loaded already: the test shows nothing")
		}
		if name == "Close" { // it waits for what is being read
			time.AfterFunc(20*time.Millisecond, func() { close(resume) })
		}
		if err := drop(c); err != nil {
			t.Error(name, err)
		}
		if name != "Close" {
			close(resume)
			mustPut(t, c, "new", NewView([]byte("y")), "v")
			<-c.Loaded()
			for i := range 10_000 {
				wantMiss(t, c, fmt.Sprint(i))
			}
			wantHit(t, c, "new", []byte("y"))
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = open4test(t, dir, o)
		if want := map[string]int{"Close": 10_000}[name]; want > 0 && c.Stats().Entries != want {
			t.Errorf("after Close while loading: %+v", c.Stats())
		}
		if name != "Close" {
			wantMiss(t, c, "1")
			wantHit(t, c, "new", []byte("y"))
		}
	}
}

// TestOlderFilesPutBackAreHarmless: somebody restores yesterday's index blocks,
// drops, secrets or all of it beside what was written since.
func TestOlderFilesPutBackAreHarmless(t *testing.T) {
	t.Parallel()
	dir, o := newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 200 {
		key := fmt.Sprint(i)
		mustPut(t, c, key, NewView(content(key, 1, 3000)), "1")
	}
	c.Drop("0")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	yesterday := onDisk(t, dir)
	c = open4test(t, dir, o)
	for i := range 100 {
		key := fmt.Sprint(i)
		mustPut(t, c, key, NewView(content(key, 3, 3000)), "3")
	}
	c.Drop("1")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	today := onDisk(t, dir)
	for name, data := range yesterday {
		mixed := writeFolder(t, with(today, name, data))
		checkMixed(t, name, open4test(t, mixed, o))
	}
	for name, data := range today {
		checkMixed(t, name, open4test(t, writeFolder(t, with(yesterday, name, data)), o))
	}
}

// checkMixed: a miss, or a suspect with bytes that were stored.
func checkMixed(t *testing.T, what string, c *Cache) {
	t.Helper()
	for i := range 200 {
		key := fmt.Sprint(i)
		e, err := c.Get(key)
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(e.Version); err != nil || !e.Suspect || !is(e, content(key, n, 3000)) {
			t.Fatalf("%s: %s is %v, suspect %v", what, key, e, e.Suspect)
		}
	}
	mustPut(t, c, "fresh", NewView([]byte("x")), "v")
	wantHit(t, c, "fresh", []byte("x"))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestNumbersGrowEvenIfTheClockIsSetBack: what is stored after a restart must win
// over what was stored before it, whatever the clock says.
func TestNumbersGrowEvenIfTheClockIsSetBack(t *testing.T) {
	dir, o := newDir(t), Options{Keys: testKeys{}}
	c := open4test(t, dir, o)
	c.disk.seq.Store(uint64(time.Now().Add(1000 * time.Hour).UnixNano()))
	mustPut(t, c, "k", NewView([]byte("old")), "1")
	last := c.disk.seq.Load()
	for _, lose := range []string{"", bootName} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if lose != "" {
			if err := os.Remove(filepath.Join(dir, lose)); err != nil {
				t.Fatal(err)
			}
		}
		c = open4test(t, dir, o)
		if seq := c.disk.seq.Load(); seq <= last {
			t.Errorf("without %q: %d after %d", lose, seq, last)
		}
	}
}
