package envelope

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

func TestSealTakesTheSizeOfTheData(t *testing.T) {
	for _, size := range []int64{-1, 0, 99, MaxSize + 1} {
		sealed, err := Seal(t.Context(), nil, []byte("x"), testRing, testBinding, Options{Size: size})
		if err != nil {
			t.Errorf("Options.Size %d: %v", size, err)
			continue
		}
		if got, err := open(t, sealed); err != nil || string(got) != "x" {
			t.Errorf("Options.Size %d: %q, %v", size, got, err)
		}
	}
}

func TestEmptyPaddedStreamOpensAgain(t *testing.T) {
	for name, level := range levels {
		var sealed bytes.Buffer
		w, err := NewWriter(t.Context(), &sealed, testRing, testBinding, Options{Pad: true, Compression: level})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := open(t, sealed.Bytes()); err != nil || len(got) > 0 || readAllAt(t, sealed.Bytes()) == nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestMoreThanCanBePaddedIsRefusedEarly: a skippable frame holds 4 GiB, and Close is
// too late to find out that it is not enough.
func TestMoreThanCanBePaddedIsRefusedEarly(t *testing.T) {
	w, err := NewWriter(t.Context(), io.Discard, testRing, testBinding, Options{Pad: true})
	if err != nil {
		t.Fatal(err)
	}
	w.written = maxPadded - 10 // as if
	if n, err := w.Write(noise(10)); n != 10 || err != nil {
		t.Errorf("the last bytes: %d, %v", n, err)
	}
	if _, err := w.Write(noise(1)); !errors.Is(err, ErrSize) {
		t.Errorf("one byte more: %v", err)
	}
	const frames = maxPadded/frameSize + 1
	longest := frames*int64(rawFrameSize(frameSize)+seekEntrySize) + skippableHeader + seekFooterSize
	for n := longest; n > 0; n -= n/97 + 1 {
		if _, zeros, err := padFrame(n); err != nil || n+skippableHeader+zeros != padme(n+skippableHeader) {
			t.Fatalf("a stream of %d bytes: %d zeros, %v", n, zeros, err)
		}
	}
	if _, _, err := padFrame(1<<40 + 1); !errors.Is(err, ErrInvalid) {
		t.Errorf("more zeros than a frame holds: %v", err)
	}
}

// TestSegmentsThatCannotHoldTheSizeAreRefusedEarly: FLOE's 2^40 segments, of a byte
// each, end after a terabyte.
func TestSegmentsThatCannotHoldTheSizeAreRefusedEarly(t *testing.T) {
	for _, level := range []Compression{CompressFast, CompressNone} {
		o := Options{SegmentLength: floe.MinSegmentLength, Compression: level, Size: 2 << 40}
		if _, err := NewWriter(t.Context(), io.Discard, testRing, testBinding, o); !errors.Is(err, ErrInvalid) {
			t.Errorf("2 TiB in segments of a byte: %v", err)
		}
		o.Size = 0
		w, err := NewWriter(t.Context(), io.Discard, testRing, testBinding, o)
		if err != nil {
			t.Fatal(err)
		}
		w.written = 1 << 40 // as if
		if _, err := w.Write([]byte{1}); !errors.Is(err, ErrSize) {
			t.Errorf("behind the last segment: %v", err)
		}
	}
}
