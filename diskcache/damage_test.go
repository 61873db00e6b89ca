package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damageOptions make small segments; nothing is served from memory.
func damageOptions() Options {
	return Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}}
}

// dropped is the key in the library that has been dropped. If the damage hits
// the drop, it comes back: as a suspect, with its own bytes.
const dropped = "key3"

// library is a folder with several segments, large records and a drop among
// them, and what was stored there.
func library(t *testing.T) (files map[string][]byte, want map[string][]byte) {
	dir := newDir(t)
	c := open4test(t, dir, damageOptions())
	want = make(map[string][]byte)
	for i := range 24 {
		key := fmt.Sprint("key", i)
		size := i * 300
		if i%8 == 7 {
			size = 70<<10 + i*5000 // the larger ones get files of their own
		}
		mustPut(t, c, key, NewView(content(key, i, 100)), "old")
		want[key] = content(key, i, size)
		m := Meta{Version: "new"}
		if i%5 == 1 {
			m.Group = fmt.Sprint("group ", i%2)
		}
		if err := c.Put(key, NewView(want[key]), m, c.Fence(key)); err != nil {
			t.Fatal(err)
		}
	}
	c.Drop(dropped)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return onDisk(t, dir), want
}

// verify opens a damaged folder. It may refuse one whose marker is damaged;
// else each key is a miss or a suspect with bytes that were stored under it.
func verify(t *testing.T, dir, what string, files map[string][]byte, want map[string][]byte) (hits int) {
	t.Helper()
	refill(t, dir, files)
	c, err := Open(t.Context(), dir, func() Options {
		o := damageOptions()
		o.Logger, _ = logTo()
		return o
	}())
	if err != nil {
		if !strings.Contains(what, markerName) || !errors.Is(err, ErrNotCacheFolder) {
			t.Fatalf("%s: Open: %v", what, err)
		}
		return 0
	}
	defer c.Close()
	for i := range 24 {
		key := fmt.Sprint("key", i)
		e, err := c.Get(key)
		if errors.Is(err, ErrMiss) {
			continue
		}
		right := want[key]
		if e.Version == "old" { // its replacement, or its drop, was destroyed
			right = content(key, i, 100)
		}
		if err != nil || !e.Suspect || !is(e, right) {
			t.Fatalf("%s: Get(%s) = %v, %v: not what was stored", what, key, e, err)
		}
		hits++
	}
	for key := range c.All() {
		if !strings.HasPrefix(key, "key") {
			t.Fatalf("%s: All names a key that was never stored", what)
		}
	}
	// It still works.
	f := c.Fence("fresh")
	if err := c.Put("fresh", NewView([]byte("data")), Meta{}, f); err != nil {
		t.Fatalf("%s: Put: %v", what, err)
	}
	wantHit(t, c, "fresh", []byte("data"))
	return hits
}

// positions samples the bytes of a file: densely at the beginning, where
// headers are, and every so many after it.
func positions(data []byte, stride int) []int {
	dense := 6
	switch {
	case long():
		dense = 1
	case underRace:
		dense = 36
	}
	var at []int
	for i := 0; i < len(data); i++ {
		if i < 180 && i%dense == 0 || i%stride == 0 || i == len(data)-1 {
			at = append(at, i)
		}
	}
	return at
}

// with returns files with one of them replaced.
func with(files map[string][]byte, name string, data []byte) map[string][]byte {
	changed := make(map[string][]byte, len(files))
	for n, d := range files {
		changed[n] = d
	}
	changed[name] = data
	return changed
}

func TestFlippedByteIsAMiss(t *testing.T) {
	t.Parallel()
	files, want := library(t)
	dir := writeFolder(t, files)
	if hits := verify(t, dir, "undamaged", files, want); hits != len(want)-1 {
		t.Fatalf("%d hits without any damage", hits)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	flips := 0
	for name, data := range files {
		if name == lockName {
			continue
		}
		for _, i := range positions(data, len(data)/lessUnderRace(15)+1) {
			damaged := bytes.Clone(data)
			damaged[i] ^= byte(1 << rng.IntN(8))
			verify(t, dir, fmt.Sprintf("%s with byte %d flipped", name, i), with(files, name, damaged), want)
			flips++
		}
	}
	if flips < lessUnderRace(300) {
		t.Errorf("only %d bytes were flipped", flips)
	}
}

// TestEveryByteIsAuthenticated: there is no byte in a segment file whose change
// goes unnoticed by those who need it. In header and record it costs the record; in
// index block and trailer, behind them, a scan; and the head of the record is what a
// scan needs.
func TestEveryByteIsAuthenticated(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	c := open4test(t, dir, damageOptions())
	mustPut(t, c, "k", NewView(content("k", 1, 20)), "v")
	sl, _ := c.peekSlot(c.hash("k"))
	name := segmentName(sl.file)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	files := onDisk(t, dir)
	head, message, end := int(sl.off)+headerBytes, int(sl.off)+headerBytes+headSealed, int(sl.off+sl.size)
	copied := writeFolder(t, files)
	for i := range files[name] {
		if underRace && i%6 > 0 {
			continue
		}
		damaged := bytes.Clone(files[name])
		damaged[i] ^= 0x10
		inHead := i >= head && i < message
		checkDamaged(t, copied, i, with(files, name, damaged), i < end && !inHead, i >= end)
		if inHead {
			checkDamaged(t, copied, i, with(files, name, damaged[:end]), true, true)
		}
	}
}

func checkDamaged(t *testing.T, dir string, i int, files map[string][]byte, miss, scan bool) {
	t.Helper()
	refill(t, dir, files)
	c := open4test(t, dir, damageOptions())
	defer c.Close()
	e, err := c.Get("k")
	if miss != errors.Is(err, ErrMiss) || !miss && !is(e, content("k", 1, 20)) {
		t.Errorf("byte %d: %v", i, err)
	}
	if n := c.Stats().Scanned; scan && n != 1 {
		t.Errorf("byte %d: its change went unnoticed", i)
	}
}

func TestTruncatedZeroedSwappedAndRemovedFilesAreMisses(t *testing.T) {
	t.Parallel()
	files, want := library(t)
	dir := writeFolder(t, files)
	var segments []string
	for name, data := range files {
		if strings.HasSuffix(name, segmentSuffix) {
			segments = append(segments, name)
		}
		if name == lockName {
			continue
		}
		for n := 0; n < len(data); n += len(data)/lessUnderRace(12) + 1 {
			verify(t, dir, fmt.Sprintf("%s truncated to %d", name, n), with(files, name, data[:n]), want)
			zeroed := bytes.Clone(data)
			clear(zeroed[n:min(n+4096, len(zeroed))])
			verify(t, dir, fmt.Sprintf("%s with zeros at %d", name, n), with(files, name, zeroed), want)
		}
		verify(t, dir, name+" extended", with(files, name, append(bytes.Clone(data), noise(5000)...)), want)
		if name != markerName {
			removed := with(files, name, nil)
			delete(removed, name)
			verify(t, dir, name+" removed", removed, want)
		}
	}
	slices.Sort(segments)
	if len(segments) < 3 {
		t.Fatal("too few segments to swap")
	}
	for _, a := range segments {
		for _, b := range segments {
			verify(t, dir, a+" and "+b+" swapped", with(with(files, a, files[b]), b, files[a]), want)
			verify(t, dir, a+" copied over "+b, with(files, b, files[a]), want)
		}
	}
}

// TestDamageUnderAnOpenCacheIsAMiss damages files that are in use.
func TestDamageUnderAnOpenCacheIsAMiss(t *testing.T) {
	for _, how := range []string{"noise", "zeros", "truncate"} {
		dir := newDir(t)
		c := open4test(t, dir, damageOptions())
		for i := range 30 {
			key := fmt.Sprint(i)
			mustPut(t, c, key, NewView(content(key, i, i*4000)), "v")
		}
		for name, data := range onDisk(t, dir) {
			if !strings.HasSuffix(name, segmentSuffix) {
				continue
			}
			path := filepath.Join(dir, name)
			var err error
			switch how {
			case "noise":
				err = os.WriteFile(path, noise(len(data)), 0o600)
			case "zeros":
				err = os.WriteFile(path, make([]byte, len(data)), 0o600)
			case "truncate":
				err = os.Truncate(path, 10)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 30 {
			wantMiss(t, c, fmt.Sprint(i))
		}
		st := c.Stats()
		if st.Damaged != 30 || st.Entries != 0 {
			t.Errorf("%s: %+v", how, st)
		}
		mustPut(t, c, "0", NewView([]byte("again")), "v")
		wantHit(t, c, "0", []byte("again"))
	}
}
