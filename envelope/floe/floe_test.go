package floe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"
)

const testSegment = 64 // 32 bytes of plaintext each: many segments, small inputs

var testKey = bytes.Repeat([]byte{7}, KeySize)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 31)
	}
	return b
}

func seal(t testing.TB, plain []byte, p params) (header, body []byte) {
	t.Helper()
	s, err := newSealer(testKey, []byte("aad"), p)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := NewWriter(&out, s)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return s.Header(), out.Bytes()
}

func open(header, body []byte) ([]byte, error) {
	o, err := NewOpener(testKey, []byte("aad"), header)
	if err != nil {
		return nil, err
	}
	return readAll(NewReader(bytes.NewReader(body), o))
}

// readAll also proves that the reader's last answer sticks.
func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(r)
	var p [1]byte
	n, again := r.Read(p[:])
	if n != 0 || again == nil || (err == nil) != (again == io.EOF) {
		return b, fmt.Errorf("after %v a read gave %d bytes and %v", err, n, again)
	}
	return b, err
}

func TestEverySizeRoundTrips(t *testing.T) {
	for _, p := range []params{{testSegment, rotationMask}, {MinSegmentLength, rotationMask}, {testSegment, 1}} {
		for size := range 5*testSegment + 2 {
			plain := pattern(size)
			header, body := seal(t, plain, p)
			o, err := newOpener(testKey, []byte("aad"), header, p.rotation)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(NewReader(iotest.HalfReader(bytes.NewReader(body)), o))
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%+v, %d bytes: %v", p, size, err)
			}
		}
	}
}

// TestBatchesOnManyCores takes messages of many batches through every way of
// sealing and opening.
func TestBatchesOnManyCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	p := params{segmentLength: 4096, rotation: 3}
	for _, size := range []int{3 * batchTogether, 7*batchTogether + 1, 7*batchTogether - 4064*3} {
		plain := pattern(size)
		s, err := newSealer(testKey, []byte("aad"), p)
		if err != nil {
			t.Fatal(err)
		}
		a := NewAppender([]byte("before"), s)
		a.Write(plain[:100])
		a.Write(plain[100:])
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		body := a.Bytes()[len("before"):]
		o, err := newOpener(testKey, []byte("aad"), s.Header(), p.rotation)
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]*Reader{
			"slice": NewSliceReader(body, o), "stream": NewReader(iotest.HalfReader(bytes.NewReader(body)), o),
			"data with EOF": NewReader(iotest.DataErrReader(bytes.NewReader(body)), o),
		} {
			if got, err := readAll(r); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
		}
		at := len(body) * 2 / 3
		body[at] ^= 1
		if got, err := readAll(NewSliceReader(body, o)); !errors.Is(err, ErrCorrupt) || !bytes.HasPrefix(plain, got) || len(got) > at {
			t.Errorf("damage in a later batch: %d bytes, %v", len(got), err)
		}
	}
}

func TestEveryFlippedByteIsRefused(t *testing.T) {
	plain := pattern(100)
	header, body := seal(t, plain, params{testSegment, rotationMask})
	whole := append(slices.Clone(header), body...)
	for i := range whole {
		for _, bit := range []byte{0x01, 0x80} {
			bad := slices.Clone(whole)
			bad[i] ^= bit
			got, err := open(bad[:HeaderSize], bad[HeaderSize:])
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrParameters) {
				t.Fatalf("byte %d: %v", i, err)
			}
			if !bytes.HasPrefix(plain, got) {
				t.Fatalf("byte %d: unverified bytes came out", i)
			}
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	header, body := seal(t, pattern(130), params{testSegment, rotationMask})
	for n := range body {
		if _, err := open(header, body[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d of %d: %v", n, len(body), err)
		}
	}
}

func TestAppendedBytesAreRefused(t *testing.T) {
	for _, size := range []int{0, 5, 32, 64} { // the last two end on a full segment
		header, body := seal(t, pattern(size), params{testSegment, rotationMask})
		for _, extra := range [][]byte{{0}, bytes.Repeat([]byte{0xFF}, testSegment), body} {
			if _, err := open(header, append(slices.Clone(body), extra...)); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%d bytes behind %d: %v", len(extra), size, err)
			}
		}
	}
}

func TestMovedSegmentsAreRefused(t *testing.T) {
	header, body := seal(t, pattern(32*4), params{testSegment, rotationMask})
	_, other := seal(t, pattern(32*4), params{testSegment, rotationMask})
	s := slices.Collect(slices.Chunk(body, testSegment))
	o := slices.Collect(slices.Chunk(other, testSegment))
	for name, order := range map[string][][]byte{
		"swapped":  {s[1], s[0], s[2], s[3]},
		"repeated": {s[0], s[0], s[1], s[2], s[3]},
		"dropped":  {s[0], s[2], s[3]},
		"reversed": {s[3], s[2], s[1], s[0]},
		"foreign":  {s[0], o[1], s[2], s[3]},
		"no end":   {s[0], s[1], s[2]},
		"two ends": {s[0], s[1], s[2], s[3], s[3]},
	} {
		if _, err := open(header, bytes.Join(order, nil)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeaderCommitsToKeyAndAssociatedData(t *testing.T) {
	header, _ := seal(t, nil, params{testSegment, rotationMask})
	otherKey := bytes.Repeat([]byte{8}, KeySize)
	if _, err := NewOpener(otherKey, []byte("aad"), header); !errors.Is(err, ErrCorrupt) {
		t.Errorf("other key: %v", err)
	}
	if _, err := NewOpener(testKey, []byte("aaD"), header); !errors.Is(err, ErrCorrupt) {
		t.Errorf("other associated data: %v", err)
	}
}

func TestBadParametersAreNamed(t *testing.T) {
	for _, n := range []int{-1, 0, SegmentOverhead, MaxSegmentLength + 1} {
		if _, err := NewSealer(testKey, nil, n); !errors.Is(err, ErrParameters) {
			t.Errorf("segment length %d: %v", n, err)
		}
	}
	if _, err := NewSealer(testKey[:31], nil, testSegment); !errors.Is(err, ErrParameters) {
		t.Errorf("short key: %v", err)
	}
	s, _ := NewSealer(testKey, nil, testSegment)
	if _, err := s.Seal(nil, pattern(31), 0, false); !errors.Is(err, ErrParameters) {
		t.Errorf("short segment in the middle: %v", err)
	}
	if _, err := s.Seal(nil, nil, MaxSegments, true); !errors.Is(err, ErrTooLong) {
		t.Errorf("position beyond the limit: %v", err)
	}
}

func TestFailuresOfTheStreamBelowStick(t *testing.T) {
	header, body := seal(t, pattern(200), params{testSegment, rotationMask})
	o, _ := NewOpener(testKey, []byte("aad"), header)
	if _, err := readAll(NewReader(iotest.TimeoutReader(bytes.NewReader(body)), o)); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("reader: %v", err)
	}
	if _, err := readAll(NewReader(io.MultiReader(bytes.NewReader(body[:100]), iotest.ErrReader(io.ErrUnexpectedEOF)), o)); errors.Is(err, ErrCorrupt) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a lost connection is taken for damage: %v", err)
	}
	s, _ := NewSealer(testKey, nil, 4096)
	w := NewWriter(brokenWriter{}, s)
	if _, err := w.Write(pattern(8 << 20)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("writer: %v", err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("close after a failed write must not end the message: %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestClosedWriterRefuses(t *testing.T) {
	s, _ := NewSealer(testKey, nil, testSegment)
	w := NewWriter(io.Discard, s)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte{1}); !errors.Is(err, ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestNoAllocationPerSegment(t *testing.T) {
	s, _ := NewSealer(testKey, []byte("aad"), 4096)
	o, _ := NewOpener(testKey, []byte("aad"), s.Header())
	plain, sealed, opened := pattern(s.PlainSegment()), make([]byte, 0, 4096), make([]byte, 0, 4096)
	allocs := testing.AllocsPerRun(200, func() {
		var err error
		if sealed, err = s.Seal(sealed[:0], plain, 3, false); err != nil {
			t.Fatal(err)
		}
		if opened, err = o.Open(opened[:0], sealed, 3, false); err != nil {
			t.Fatal(err)
		}
	})
	if allocs >= 1 && !raceEnabled {
		t.Errorf("%v allocations for a segment sealed and opened", allocs)
	}
}

func FuzzReader(f *testing.F) {
	for _, size := range []int{0, 1, 32, 33, 100} {
		header, body := seal(f, pattern(size), params{testSegment, rotationMask})
		f.Add(header, body)
	}
	f.Fuzz(func(t *testing.T, header, body []byte) {
		if _, err := open(header, body); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrParameters) {
			t.Fatalf("an error that answers nothing: %v", err)
		}
	})
}
