package envelope

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func openAt(t testing.TB, sealed []byte) (*ReaderAt, error) {
	t.Helper()
	return NewReaderAt(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), testRing, testBinding)
}

// TestRangesEqualTheSlice reads every kind of range of every kind of envelope, and
// lets the standard library's own test do so.
func TestRangesEqualTheSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, level := range levels {
		for _, n := range []int{0, 1, 1000, 65504, frameSize, frameSize + 1, 3*frameSize + 100, 5 << 20} {
			data := text(n)
			copy(data[n/2:], noise(n/3))
			ra, err := openAt(t, mustSeal(t, data, Options{Compression: level}))
			if err != nil || ra.Size() != int64(n) {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			for range 20 {
				off := r.Int64N(int64(n) + 2)
				p := make([]byte, r.IntN(n+10))
				got, err := ra.ReadAt(p, off)
				want, wantErr := bytes.NewReader(data).ReadAt(make([]byte, len(p)), off)
				if got != want || err != wantErr && len(p) > 0 || !bytes.Equal(p[:got], data[min(int(off), n):][:got]) {
					t.Fatalf("%s: %d bytes at %d of %d: %d, %v; want %d, %v", name, len(p), off, n, got, err, want, wantErr)
				}
			}
			if n < 1<<17 {
				if err := iotest.TestReader(io.NewSectionReader(ra, 0, ra.Size()), data); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestRangesOfStreams opens what was sealed without knowing its size.
func TestRangesOfStreams(t *testing.T) {
	data := text(700_000)
	for name, level := range levels {
		var sealed bytes.Buffer
		w, err := NewWriter(t.Context(), &sealed, testRing, testBinding, Options{Compression: level})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
		ra, err := openAt(t, sealed.Bytes())
		if err != nil || ra.Info().Size != int64(len(data)) {
			t.Fatalf("%s: %v", name, err)
		}
		p := make([]byte, 1000)
		if _, err := ra.ReadAt(p, 600_000); err != nil || !bytes.Equal(p, data[600_000:601_000]) {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestRangesRefuseWhatStreamsRefuse(t *testing.T) {
	for _, level := range []Compression{CompressFast, CompressNone} {
		o := small
		o.Compression = level
		data := noise(300)
		sealed := mustSeal(t, data, o)
		for i := range sealed {
			bad := slices.Clone(sealed)
			bad[i] ^= 0x40
			if got := readAllAt(t, bad); got != nil {
				t.Fatalf("byte %d of %d flipped: %d bytes came out", i, len(sealed), len(got))
			}
		}
		for n := range sealed {
			if ra, err := openAt(t, sealed[:n]); err == nil {
				t.Fatalf("cut to %d of %d: opened, size %d", n, len(sealed), ra.Size())
			}
		}
		for _, extra := range [][]byte{{0}, noise(99), noise(100), noise(250), sealed} {
			if _, err := openAt(t, append(slices.Clone(sealed), extra...)); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%d bytes appended: %v", len(extra), err)
			}
		}
	}
}

// readAllAt returns the data, nil if opening or any read was refused.
func readAllAt(t testing.TB, sealed []byte) []byte {
	t.Helper()
	ra, err := openAt(t, sealed)
	if err == nil {
		p := make([]byte, ra.Size())
		if _, err = ra.ReadAt(p, 0); err == nil || len(p) == 0 && err == io.EOF {
			return p
		}
		if !bytes.Equal(p, make([]byte, len(p))) {
			t.Fatal("bytes of a failed read were left in the caller's slice")
		}
	}
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrKeyUnknown) {
		t.Fatalf("an error that answers nothing: %v", err)
	}
	return nil
}

// countingReaderAt counts the bytes read.
type countingReaderAt struct {
	io.ReaderAt
	bytes, reads atomic.Int64
}

func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.bytes.Add(int64(n))
	c.reads.Add(1)
	return n, err
}

// TestRangeReadsOnlyWhatItNeeds holds the bytes read against what the format says
// a range needs.
func TestRangeReadsOnlyWhatItNeeds(t *testing.T) {
	data := noise(64 << 20)
	for _, level := range []Compression{CompressFast, CompressNone} {
		sealed := mustSeal(t, data, Options{Compression: level})
		in := &countingReaderAt{ReaderAt: bytes.NewReader(sealed)}
		ra, err := NewReaderAt(t.Context(), in, int64(len(sealed)), testRing, testBinding)
		if err != nil {
			t.Fatal(err)
		}
		table := int64(len(data)/frameSize*seekEntrySize + skippableHeader + seekFooterSize)
		if most := int64(1024) + 3*DefaultSegmentLength + table; in.bytes.Load() > most {
			t.Errorf("opening read %d bytes, at most %d are needed", in.bytes.Load(), most)
		}
		for _, off := range []int64{0, frameSize - 100, 31<<20 + 12345} {
			in.bytes.Store(0)
			in.reads.Store(0)
			p := make([]byte, 64<<10)
			if _, err := ra.ReadAt(p, off); err != nil || !bytes.Equal(p, data[off:off+64<<10]) {
				t.Fatal(err)
			}
			frames := (off+int64(len(p))-1)/frameSize - off/frameSize + 1
			most := frames*(frameSize+1024) + 2*DefaultSegmentLength
			if level == CompressNone {
				most = int64(len(p)) + 2*DefaultSegmentLength
			}
			if in.bytes.Load() > most || in.reads.Load() > 1 {
				t.Errorf("64 KiB at %d: %d bytes in %d reads, at most %d are needed", off, in.bytes.Load(), in.reads.Load(), most)
			}
		}
	}
}

func TestConcurrentRanges(t *testing.T) {
	data := append(text(1<<20), noise(1<<20)...)
	ra, err := openAt(t, mustSeal(t, data, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(g)))
			for range 20 {
				off, n := r.IntN(len(data)), r.IntN(300_000)
				p := make([]byte, n)
				got, err := ra.ReadAt(p, int64(off))
				if err != nil && err != io.EOF || !bytes.Equal(p[:got], data[off:off+got]) {
					t.Errorf("%d bytes at %d: %v", n, off, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestRangeErrorsComeThrough(t *testing.T) {
	sealed := mustSeal(t, noise(300_000), Options{})
	in := &failingReaderAt{ReaderAt: bytes.NewReader(sealed)}
	ctx, cancel := context.WithCancel(t.Context())
	ra, err := NewReaderAt(ctx, in, int64(len(sealed)), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	in.err = io.ErrClosedPipe
	if _, err := ra.ReadAt(make([]byte, 10), 0); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	in.err = nil // a lost connection is no damage: the next read may do
	if _, err := ra.ReadAt(make([]byte, 10), 0); err != nil {
		t.Error(err)
	}
	if _, err := ra.ReadAt(make([]byte, 10), -1); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	cancel()
	if _, err := ra.ReadAt(make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type failingReaderAt struct {
	io.ReaderAt
	err error
}

func (f *failingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}
