package envelope

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
)

// endsAfter is a context that ends once it was asked so often.
type endsAfter struct {
	context.Context
	left atomic.Int64
}

func (e *endsAfter) Err() error {
	if e.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func asked(t *testing.T, times int64) *endsAfter {
	e := &endsAfter{Context: t.Context()}
	e.left.Store(times)
	return e
}

// TestOneLargeCallEndsWithItsContext: who hands over gigabytes in one call must be
// able to end it, also while they compress to next to nothing.
func TestOneLargeCallEndsWithItsContext(t *testing.T) {
	for name, c := range map[string]testStream{
		"text": {text(56 << 20), CompressFast}, "noise": {noise(56 << 20), CompressFast}, "none": {noise(56 << 20), CompressNone},
	} {
		data, o := c.chunk, Options{Compression: c.level}
		_, seal := Seal(asked(t, 3), nil, data, testRing, testBinding, o)
		_, _, open := Open(asked(t, 3), nil, mustSeal(t, data, o), testRing, testBinding)
		w, err := NewWriter(asked(t, 3), io.Discard, testRing, testBinding, o)
		if err != nil {
			t.Fatal(err)
		}
		n, write := w.Write(data)
		for call, err := range map[string]error{"Seal": seal, "Open": open, "Write": write, "Close": w.Close()} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s, %s: %v", name, call, err)
			}
		}
		if n > len(data)*2/3 {
			t.Errorf("%s: Write went on to %d of %d bytes", name, n, len(data))
		}
	}
}

// TestCancelledUploadIsNotCalledTooShort: the data ends early because the request was
// given up, which is nobody's ErrSize.
func TestCancelledUploadIsNotCalledTooShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	w, err := NewWriter(ctx, &out, testRing, testBinding, Options{Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("half"))
	cancel()
	for range 2 {
		if err := w.Close(); !errors.Is(err, context.Canceled) || errors.Is(err, ErrSize) {
			t.Errorf("Close: %v", err)
		}
	}
	mustRefuse(t, "what was not completed", out.Bytes())
}

// cancelling ends the context while its key is derived.
type cancelling struct {
	testKeys
	cancel func()
}

func (c cancelling) Derive(ctx context.Context, id KeyID, info []byte) ([DerivedKeySize]byte, error) {
	defer c.cancel()
	return c.testKeys.Derive(ctx, id, info)
}

func TestSealEndsWithItsContext(t *testing.T) {
	for name, level := range levels {
		for _, n := range []int{0, 100} {
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := Seal(ctx, nil, noise(n), cancelling{testRing, cancel}, testBinding, Options{Compression: level}); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
}

// cancelledAt ends the context with that read, and counts those that come after.
type cancelledAt struct {
	io.ReaderAt
	cancel      func()
	reads, late int
}

func (c *cancelledAt) ReadAt(p []byte, off int64) (int, error) {
	if c.reads--; c.reads == 0 {
		c.cancel()
	} else if c.reads < 0 {
		c.late++
	}
	return c.ReaderAt.ReadAt(p, off)
}

// TestNewReaderAtEndsWithItsContext cancels while the keyring answers, and while the
// final segment is read: the seek table behind them may be gigabytes.
func TestNewReaderAtEndsWithItsContext(t *testing.T) {
	sealed := mustSeal(t, noise(1<<20+30_000), Options{}) // the final segment is half full
	ctx, cancel := context.WithCancel(t.Context())
	in := &countingReaderAt{ReaderAt: bytes.NewReader(sealed)}
	_, err := NewReaderAt(ctx, in, int64(len(sealed)), cancelling{testRing, cancel}, testBinding)
	if !errors.Is(err, context.Canceled) || in.bytes.Load() > 1024 {
		t.Errorf("cancelled before the first segment, which read %d bytes: %v", in.bytes.Load(), err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	late := &cancelledAt{ReaderAt: bytes.NewReader(sealed), cancel: cancel, reads: 3}
	_, err = NewReaderAt(ctx, late, int64(len(sealed)), testRing, testBinding)
	if !errors.Is(err, context.Canceled) || late.late > 0 {
		t.Errorf("cancelled with the final segment, %d reads later: %v", late.late, err)
	}
}

// TestLongRangeEndsWithItsContext cancels with the second of the reads it takes.
func TestLongRangeEndsWithItsContext(t *testing.T) {
	data := noise(56 << 20)
	for name, level := range map[string]Compression{"zstd": CompressFast, "none": CompressNone} {
		sealed := mustSeal(t, data, Options{Compression: level})
		ctx, cancel := context.WithCancel(t.Context())
		in := &cancelledAt{ReaderAt: bytes.NewReader(sealed), cancel: cancel}
		ra, err := NewReaderAt(ctx, in, int64(len(sealed)), testRing, testBinding)
		if err != nil {
			t.Fatal(err)
		}
		in.reads, in.late = 2, 0
		n, err := ra.ReadAt(make([]byte, len(data)), 0)
		if n != 0 || !errors.Is(err, context.Canceled) || in.late > 0 {
			t.Errorf("%s: %d bytes, %d reads later: %v", name, n, in.late, err)
		}
	}
}
