package diskcache

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// crashed returns the folder as a killed process leaves it: the segment that is
// being written has no trailer.
func crashed(t *testing.T, c *Cache, dir string) string {
	t.Helper()
	copied := writeFolder(t, onDisk(t, dir))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return copied
}

// TestScanFindsWhatBlocksWouldHaveTold, across index blocks and past records of a
// group whose secret is destroyed.
func TestScanFindsWhatBlocksWouldHaveTold(t *testing.T) {
	t.Parallel()
	dir, o := newDir(t), Options{MaxBytes: 1 << 30, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	const entries = 3*blockEntries + 100
	for i := range entries {
		group := ""
		if i%3 == 0 {
			group = fmt.Sprint("g", i%2)
		}
		putGroup(t, c, fmt.Sprint(i), group, []byte(fmt.Sprint("data ", i)))
	}
	if err := c.ShredGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	copied := crashed(t, c, dir)
	for round := range 3 {
		c = open4test(t, copied, o)
		if st := c.Stats(); st.Entries != entries || st.Damaged > 0 || (st.Scanned == 1) != (round == 0) {
			t.Fatalf("round %d: %+v", round, st)
		}
		for i := range entries {
			if i%3 == 0 && i%2 == 1 {
				continue
			}
			wantHit(t, c, fmt.Sprint(i), []byte(fmt.Sprint("data ", i)))
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c = open4test(t, copied, o)
	wantMiss(t, c, "3")
	wantMiss(t, c, "9")
}

// TestDamagedBlockCostsAScanOnly: every entry is found, and the next start has good
// blocks again.
func TestDamagedBlockCostsAScanOnly(t *testing.T) {
	t.Parallel()
	dir, o := newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}} // segments of 256 KiB
	c := open4test(t, dir, o)
	const entries = 4000
	for i := range entries {
		mustPut(t, c, fmt.Sprint(i), NewView([]byte(fmt.Sprint("data ", i))), "v")
	}
	first := c.disk.table.all()[0]
	if !first.sealed || first.last == 0 {
		t.Fatal("the first segment is not sealed")
	}
	name, last := first.name(), first.last
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Clone(data)
	data[last+headerBytes+50] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		c = open4test(t, dir, o)
		if st := c.Stats(); st.Entries != entries || (st.Scanned == 1) != (round == 0) {
			t.Fatalf("round %d: %+v", round, st)
		}
		for i := 0; i < entries; i += 13 {
			wantHit(t, c, fmt.Sprint(i), []byte(fmt.Sprint("data ", i)))
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSegmentWrittenOnAfterAScanIsWhole: after a crash the segment is continued, and
// crashes again.
func TestSegmentWrittenOnAfterAScanIsWhole(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 30, MemoryBytes: -1, Keys: testKeys{}}
	stored := 0
	for round := range 6 {
		c := open4test(t, dir, o)
		for range 700 {
			mustPut(t, c, fmt.Sprint(stored), NewView([]byte(fmt.Sprint("data ", stored))), "v")
			stored++
		}
		dir = crashed(t, c, dir)
		c = open4test(t, writeFolder(t, onDisk(t, dir)), o)
		for i := range stored {
			wantHit(t, c, fmt.Sprint(i), []byte(fmt.Sprint("data ", i)))
		}
		if st := c.Stats(); st.Segments != 1 {
			t.Errorf("round %d: crashes pile up files: %+v", round, st)
		}
	}
}
