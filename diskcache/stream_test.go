package diskcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// mixed is content whose chunks are by turns text and noise.
func mixed(key string, size int) []byte {
	var b []byte
	for n := 0; len(b) < size; n++ {
		b = append(b, content(key, n, 350_000+n*7)...)
	}
	return b[:size]
}

// streamOptions: above 32 KiB a record gets a file of its own.
func streamOptions() Options {
	return Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}}
}

func mustStream(t testing.TB, c *Cache, key string, data []byte, m Meta) {
	t.Helper()
	if err := c.PutFrom(context.Background(), key, bytes.NewReader(data), int64(len(data)), m, c.Fence(key)); err != nil {
		t.Fatal(err)
	}
}

// TestStreamIsReturnedAsItCame, at every size, with and without its length declared, in
// a file of its own or copied into a segment, now and after a restart.
func TestStreamIsReturnedAsItCame(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	sizes := []int{
		0, 1, 1000, 40 << 10, streamChunk, heldBytes - 1, heldBytes, heldBytes + 1,
		heldBytes + streamChunk - 1, heldBytes + streamChunk, heldBytes + streamChunk + 1, 3*heldBytes + 12345,
	}
	for _, maxBytes := range []int64{16 << 20, 8 << 30} {
		dir, o := newDir(t), streamOptions()
		o.MaxBytes = maxBytes
		c := open4test(t, dir, o)
		want := make(map[string][]byte)
		for n, size := range sizes {
			key := fmt.Sprint("key", n)
			want[key] = [][]byte{content(key, 0, size), content(key, 1, size), mixed(key, size)}[n%3]
			m := Meta{Version: "v", Group: strings.Repeat("g", n%2), Blob: []byte(key)}
			declared := int64(size)
			if n%4 < 2 {
				declared = -1
			}
			w, err := c.Create(key, declared, c.Fence(key))
			if err != nil {
				t.Fatal(err)
			}
			for left := want[key]; len(left) > 0; {
				n := min(len(left), 1+rng.IntN(700_000))
				if got, err := w.Write(left[:n]); got != n || err != nil {
					t.Fatal(got, err)
				}
				left = left[n:]
			}
			wantMiss(t, c, key)
			if err := w.Commit(m); err != nil {
				t.Fatal(err)
			}
			w.Abort()
		}
		check := func(suspect bool) {
			t.Helper()
			for key := range want {
				e := wantHit(t, c, key, want[key])
				if e.Version != "v" || string(e.Blob) != key || e.Suspect != suspect {
					t.Errorf("%v", e)
				}
				var all bytes.Buffer
				r := mustOpen(t, c, key)
				if _, err := io.Copy(&all, r); err != nil || !bytes.Equal(all.Bytes(), want[key]) || r.Info().Group != e.Group {
					t.Errorf("%s: Open gives something else: %v", key, err)
				}
			}
			if st := c.Stats(); st.Entries != len(sizes) || st.Damaged+st.DiskErrors+st.Scanned > 0 || maxBytes == 8<<30 && st.Segments != 1 {
				t.Errorf("%+v", st)
			}
		}
		check(false)
		c = reopen(t, c, dir, o)
		check(true)
	}
}

// streamBytes says how long the stream is of which ranges are read; default 48 MiB.
const streamBytes = "DISKCACHE_STREAM_BYTES"

// TestStreamIsReadInRanges: a range of it costs one chunk, or two, and opening it the
// metadata.
func TestStreamIsReadInRanges(t *testing.T) {
	var count counting
	piece := mixed("k", 1<<20+1000)
	size := 48 << 20
	if n, err := strconv.Atoi(os.Getenv(streamBytes)); err == nil {
		size = n
	}
	c := open4test(t, newDir(t), Options{MaxBytes: 4 * int64(size), MemoryBytes: -1, wrap: count.wrap})
	in := io.LimitReader(&repeated{piece: piece}, int64(size))
	if err := c.PutFrom(t.Context(), "k", in, int64(size), Meta{}, c.Fence("k")); err != nil {
		t.Fatal(err)
	}
	count.bytes.Store(0)
	r := mustOpen(t, c, "k")
	if n := count.bytes.Load(); n > lastRead+int64(size)/streamChunk*4+1024 {
		t.Errorf("Open read %d bytes", n)
	}
	for _, at := range []int{0, size / 2 / streamChunk * streamChunk, size/2 - 500, size - 1024, 7_654_321} {
		before := count.bytes.Load()
		got, want := make([]byte, 1024), make([]byte, 1024)
		if n, err := r.ReadAt(got, int64(at)); n != len(got) || err != nil {
			t.Fatal(n, err)
		}
		if (&repeated{piece: piece, at: at % len(piece)}).read(want); !bytes.Equal(got, want) {
			t.Errorf("wrong bytes at %d", at)
		}
		if n := count.bytes.Load() - before; n > 2*(streamChunk+sealOverhead) || at%streamChunk == 0 && n > streamChunk+sealOverhead {
			t.Errorf("1 KiB at %d costs %d bytes", at, n)
		}
	}
}

// repeated delivers a piece again and again.
type repeated struct {
	piece []byte
	at    int
}

func (r *repeated) Read(p []byte) (int, error) { r.read(p); return len(p), nil }

func (r *repeated) read(p []byte) {
	for len(p) > 0 {
		n := copy(p, r.piece[r.at:])
		p, r.at = p[n:], (r.at+n)%len(r.piece)
	}
}

// errStream is what a source fails with.
var errStream = errors.New("the connection broke")

// incomplete are the ways in which a stream can fail to be what was declared.
var incomplete = map[string]struct {
	size int // declared
	read func(data []byte, cancel func()) io.Reader
	want error
}{
	"read error": {-1, func(data []byte, _ func()) io.Reader {
		return io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errStream))
	}, errStream},
	"read error with data": {-1, func(data []byte, _ func()) io.Reader {
		return iotest.DataErrReader(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errStream)))
	}, errStream},
	"short": {1, func(data []byte, _ func()) io.Reader { return bytes.NewReader(data[:len(data)-1]) }, ErrIncomplete},
	"long": {0, func(data []byte, _ func()) io.Reader {
		return io.MultiReader(bytes.NewReader(data), strings.NewReader("x"))
	}, ErrIncomplete},
	"cancelled": {-1, func(data []byte, cancel func()) io.Reader {
		return io.MultiReader(bytes.NewReader(data), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, nil
		}), bytes.NewReader(data))
	}, context.Canceled},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestIncompleteStreamLeavesNothing: no entry, and no byte on disk.
func TestIncompleteStreamLeavesNothing(t *testing.T) {
	for name, test := range incomplete {
		for _, size := range []int{1000, 3 << 20} {
			dir := newDir(t)
			c := open4test(t, dir, streamOptions())
			mustPut(t, c, "other", NewView([]byte("other")), "v")
			before := c.Stats()
			declared := int64(-1)
			if test.size >= 0 {
				declared = int64(size)
			}
			ctx, cancel := context.WithCancel(t.Context())
			err := c.PutFrom(ctx, "k", test.read(noise(size), cancel), declared, Meta{Version: "v"}, c.Fence("k"))
			cancel()
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v", name, err)
			}
			wantMiss(t, c, "k")
			wantHit(t, c, "other", []byte("other"))
			after := c.Stats()
			if after.Segments != before.Segments || after.Entries != 1 || after.DiskBytes > before.DiskBytes+2*diskBlock {
				t.Errorf("%s: %+v, before %+v", name, after, before)
			}
			// The old entry is forgotten, also by the next process.
			mustPut(t, c, "k", NewView([]byte("old")), "old")
			if err := c.PutFrom(t.Context(), "k", iotest.ErrReader(errStream), -1, Meta{}, c.Fence("k")); !errors.Is(err, errStream) {
				t.Error(err)
			}
			wantMiss(t, c, "k")
			c = reopen(t, c, dir, streamOptions())
			wantMiss(t, c, "k")
		}
	}
}

func TestAbortedStreamLeavesWhatWasThere(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, streamOptions())
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	before := c.Stats()
	w := begun(t, c, "k", 3<<20)
	if st := c.Stats(); st.Segments != before.Segments+1 || st.DiskBytes < before.DiskBytes+2<<20 {
		t.Errorf("what a stream takes is not counted: %+v", st)
	}
	w.Abort()
	w.Abort()
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if err := w.Commit(Meta{}); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	wantHit(t, c, "k", []byte("old"))
	if st := c.Stats(); st.Segments != before.Segments || st.DiskBytes != before.DiskBytes {
		t.Errorf("%+v, before %+v", st, before)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = c.PutFrom(t.Context(), "k", io.MultiReader(bytes.NewReader(noise(3<<20)), readerFunc(func([]byte) (int, error) { panic("reader") })), -1, Meta{}, c.Fence("k"))
	}()
	if st := c.Stats(); st.Segments != before.Segments {
		t.Errorf("a reader that panics leaves a file: %+v", st)
	}
}

// begun is a stream of which so many bytes have been written.
func begun(t testing.TB, c *Cache, key string, size int) *Writer {
	t.Helper()
	w, err := c.Create(key, -1, c.Fence(key))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content(key, 1, size)); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestStreamsTakeLittleMemory: while 64 MiB come in or go out, a few MiB are in use,
// and nothing of it is in memory afterwards.
func TestStreamsTakeLittleMemory(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 30})
	mustPut(t, c, "small", NewView([]byte("small")), "v")
	piece := mixed("k", 1<<20)
	before, most := heap(), uint64(0)
	look := func() { most = max(most, heap()) }
	var pieces []io.Reader
	for i := range 64 {
		pieces = append(pieces, bytes.NewReader(piece))
		if i%8 == 7 {
			pieces = append(pieces, readerFunc(func([]byte) (int, error) { look(); return 0, io.EOF }))
		}
	}
	if err := c.PutFrom(t.Context(), "k", io.MultiReader(pieces...), -1, Meta{}, c.Fence("k")); err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := mustOpen(t, c, "k").WriteTo(writerFunc(func(p []byte) (int, error) {
		if n++; n%8 == 0 {
			look()
		}
		return len(p), nil
	})); err != nil {
		t.Fatal(err)
	}
	if used := int64(most) - int64(before); used > 6<<20 || n < 8 {
		t.Errorf("a stream of 64 MiB takes %d bytes of memory", used)
	}
	if st := c.Stats(); st.MemoryEntries != 1 {
		t.Errorf("%+v", st)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A stream whose declared length can never be kept is refused before it costs what is there.
func TestStreamThatIsTooLargeEvictsLittle(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}})
	for i := range 300 {
		mustPut(t, c, fmt.Sprint(i), NewView(content("k", 1, 50_000)), "v")
	}
	before := c.Stats().Entries
	data := noise(40 << 20)
	err := c.PutFrom(t.Context(), "large", bytes.NewReader(data), int64(len(data)), Meta{}, c.Fence("large"))
	if !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	left := 0
	for i := range 300 {
		if _, err := c.Get(fmt.Sprint(i)); err == nil {
			left++
		}
	}
	if left < before*9/10 {
		t.Errorf("%d entries before, %d after a stream of %d MiB was refused by a cache of 16", before, left, len(data)>>20)
	}
}
