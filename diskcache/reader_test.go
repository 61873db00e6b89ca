package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// counting counts what is read from the files of a cache.
type counting struct{ reads, bytes atomic.Int64 }

type countingFile struct {
	file
	*counting
}

func (n *counting) wrap(f file) file { return countingFile{f, n} }

func (f countingFile) ReadAt(b []byte, off int64) (int, error) {
	f.reads.Add(1)
	f.bytes.Add(int64(len(b)))
	return f.file.ReadAt(b, off)
}

func mustOpen(t testing.TB, c *Cache, key string) *Reader {
	t.Helper()
	r, err := c.Open(key)
	if err != nil {
		t.Fatalf("Open(%q): %v", key, err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// wantRange fails unless those bytes are there.
func wantRange(t testing.TB, r *Reader, want []byte, from, to int) {
	t.Helper()
	got := make([]byte, to-from)
	if n, err := r.ReadAt(got, int64(from)); n != len(got) || err != nil && !(err == io.EOF && to == len(want)) {
		t.Fatalf("ReadAt(%d bytes at %d) = %d, %v", to-from, from, n, err)
	}
	if !bytes.Equal(got, want[from:to]) {
		t.Fatalf("bytes %d to %d are not those stored", from, to)
	}
}

// readerOptions make segments of 64 KiB with -1: nothing is served from memory.
func readerOptions(memory int64) Options {
	return Options{MaxBytes: 16 << 20, MemoryBytes: memory, Keys: testKeys{}}
}

// TestReaderReadsWhatWasStored at every size, from memory, from a segment and from
// a file of its own, as io specifies it.
func TestReaderReadsWhatWasStored(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{-1, 0} {
		for _, maxBytes := range []int64{16 << 20, 1 << 30} {
			o := readerOptions(memory)
			o.MaxBytes = maxBytes
			c := open4test(t, newDir(t), o)
			for n, size := range []int{0, 1, 1000, 1000, chunkPlain, chunkPlain + 1, 3*chunkPlain - 1, chunkLZ + 5, 3*chunkLZ + 77, 1<<21 - 1} {
				key := fmt.Sprint(n)
				want := content(key, n, size)
				m := Meta{Version: "v", Blob: []byte("blob"), Group: strings.Repeat("g", n%2)}
				if err := c.Put(key, NewView(want), m, c.Fence(key)); err != nil {
					t.Fatal(err)
				}
				r := mustOpen(t, c, key)
				if size < lessUnderRace(200_000) { // it reads byte by byte
					if err := iotest.TestReader(r, want); err != nil {
						t.Errorf("%d bytes: %v", size, err)
					}
				}
				if _, err := r.Seek(0, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				var all bytes.Buffer
				if n, err := io.Copy(&all, r); err != nil || n != int64(size) || !bytes.Equal(all.Bytes(), want) {
					t.Errorf("%d bytes: Copy = %d, %v", size, n, err)
				}
				i := r.Info()
				if r.Size() != int64(size) || i.Size != int64(size) || i.Version != "v" || string(i.Blob) != "blob" || i.Group != m.Group || i.Suspect || i.Stored.IsZero() {
					t.Errorf("%+v", i)
				}
			}
		}
	}
}

func TestRangesAreWhatWasStored(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := open4test(t, newDir(t), readerOptions(-1))
	for n, size := range []int{5 * chunkPlain, 3*chunkLZ + 1000} {
		want := content("k", n+1, size)
		mustPut(t, c, "k", NewView(want), "v")
		r := mustOpen(t, c, "k")
		for range 300 {
			from := rng.IntN(size)
			to := from + rng.IntN(min(size-from+1, []int{10, 5000, 2 * chunkLZ}[rng.IntN(3)]))
			wantRange(t, r, want, from, to)
		}
	}
}

// TestRangeCostsOneOrTwoChunks counts the bytes that are read from the files.
func TestRangeCostsOneOrTwoChunks(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	for name, maxBytes := range map[string]int64{"in a segment": 16 << 30, "in a file": 64 << 20} {
		for n, chunk := range []int64{chunkLZ, chunkPlain} {
			var count counting
			c := open4test(t, newDir(t), Options{MaxBytes: maxBytes, MemoryBytes: -1, wrap: count.wrap})
			want := content("k", n, size)
			mustPut(t, c, "k", NewView(want), "v")
			count.bytes.Store(0)
			r := mustOpen(t, c, "k")
			if got := count.bytes.Load(); got > readAhead+chunk+sealOverhead {
				t.Errorf("%s: Open read %d bytes", name, got)
			}
			for _, at := range []int{size / 2, size/2 - 500, 1, size - 1024} {
				reads, before := count.reads.Load(), count.bytes.Load()
				wantRange(t, r, want, at, at+1024)
				if got := count.bytes.Load() - before; got > 2*(chunk+4096)+readAhead || at == size/2 && (got > chunk+sealOverhead || count.reads.Load() != reads+1) {
					t.Errorf("%s: 1 KiB at %d of %d costs %d bytes", name, at, size, got)
				}
			}
		}
	}
}

// TestReadingInPiecesOpensEachChunkOnce: as http.ServeContent reads, 32 KiB at a
// time.
func TestReadingInPiecesOpensEachChunkOnce(t *testing.T) {
	var count counting
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, wrap: count.wrap})
	want := content("k", 1, 20*chunkPlain)
	mustPut(t, c, "k", NewView(want), "v")
	r := mustOpen(t, c, "k")
	before := count.bytes.Load()
	var got bytes.Buffer
	if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, 32<<10)); err != nil {
		t.Fatal(err)
	}
	if n := count.bytes.Load() - before; !bytes.Equal(got.Bytes(), want) || n > int64(len(want)+len(want)/10+readAhead) {
		t.Errorf("reading %d bytes in pieces read %d from disk", len(want), n)
	}
}

// TestLargeReadsDoNotPushOutWhatIsInMemory, small ones are kept.
func TestLargeReadsDoNotPushOutWhatIsInMemory(t *testing.T) {
	dir := newDir(t)
	o := Options{MaxBytes: 1 << 30, MemoryBytes: 8 << 20, Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 8 {
		mustPut(t, c, fmt.Sprint("large", i), NewView(content("l", 1, 1900<<10)), "v")
	}
	mustPut(t, c, "small", NewView([]byte("small")), "v")
	c = reopen(t, c, dir, o)
	for i := range 8 {
		if _, err := io.Copy(io.Discard, mustOpen(t, c, fmt.Sprint("large", i))); err != nil {
			t.Fatal(err)
		}
	}
	if st := c.Stats(); st.MemoryEntries != 0 || st.DiskHits != 8 {
		t.Errorf("%+v", st)
	}
	wantRange(t, mustOpen(t, c, "small"), []byte("small"), 0, 5)
	wantRange(t, mustOpen(t, c, "small"), []byte("small"), 0, 5)
	if st := c.Stats(); st.MemoryEntries != 1 || st.MemoryHits != 1 || st.DiskHits != 9 {
		t.Errorf("%+v", st)
	}
}

func TestOpenIsAMissWhereGetIs(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, readerOptions(-1))
	want := content("k", 1, 300<<10)
	miss := func() {
		t.Helper()
		if r, err := c.Open("k"); !errors.Is(err, ErrMiss) {
			t.Fatalf("Open = %v, %v", r, err)
		}
	}
	miss()
	mustPut(t, c, "k", NewView(want), "v")
	c = reopen(t, c, dir, readerOptions(-1))
	if !mustOpen(t, c, "k").Info().Suspect {
		t.Error("what was found at start is believed")
	}
	if !c.Confirm("k", "v", c.Fence("k")) || mustOpen(t, c, "k").Info().Suspect {
		t.Error("a confirmed entry is suspect")
	}
	c.Suspect()
	if !mustOpen(t, c, "k").Info().Suspect {
		t.Error("Suspect had no effect")
	}
	c.ages.max = 0
	miss()
	c.ages.max = defaultMaxAge
	mustPut(t, c, "k", NewView(want), "v")
	c.Drop("k")
	miss()
	c.hashed = func(string) uint64 { return 7 }
	mustPut(t, c, "other", NewView(want), "v")
	miss()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open("k"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestReaderRefusesWhatMakesNoSense(t *testing.T) {
	c := open4test(t, newDir(t), readerOptions(-1))
	want := content("k", 1, 300<<10)
	if err := c.Put("k", NewView(want), Meta{Version: "v", Blob: []byte("secret")}, c.Fence("k")); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, c, "k")
	if _, err := r.ReadAt(make([]byte, 1), -1); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := r.Seek(-1, io.SeekStart); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := r.Seek(0, 7); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if n, err := r.ReadAt(make([]byte, 1), 1<<62); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s %v", r, r, r, r.LogValue(), r.Info()); strings.Contains(s, "secret") {
		t.Error(s)
	}
	wantRange(t, r, want, 0, 1000)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestOpenGivesItsSegmentBack(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1})
	mustPut(t, c, "k", NewView(noise(1<<20)), "v")
	sl, _ := c.peekSlot(c.hash("k"))
	s := c.disk.table.acquire(sl.file)
	defer s.release()
	for range 5 {
		r, err := c.Open("k")
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	if n := s.refs.Load(); n != 2 {
		t.Errorf("%d references", n)
	}
}
