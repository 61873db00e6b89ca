package envelope

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// faulty stores what it is given but for one call, in which bad does something else.
type faulty struct {
	stored   bytes.Buffer
	call, at int
	bad      func(p []byte) (int, error)
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.call++; f.call == f.at {
		return f.bad(p)
	}
	return f.stored.Write(p)
}

func takesLess(f *faulty) func([]byte) (int, error) {
	return func(p []byte) (int, error) { return f.stored.Write(p[:len(p)-1]) }
}

// TestWriterThatTakesLessIsNotBelieved: the envelope would be stored with a hole, and
// its author would hear that all is well.
func TestWriterThatTakesLessIsNotBelieved(t *testing.T) {
	for name, level := range levels {
		for at := 1; at <= 2; at++ { // header, segments
			out := &faulty{at: at}
			out.bad = takesLess(out)
			w, err := NewWriter(t.Context(), out, testRing, testBinding, Options{Compression: level})
			if err == nil {
				w.Write(noise(1000))
				err = w.Close()
			}
			if !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("%s, write %d: %v", name, at, err)
			}
			mustRefuse(t, "what was stored", out.stored.Bytes())
		}
	}
	sealed := mustSeal(t, noise(1000), Options{})
	for at := 1; at <= 2; at++ {
		out := &faulty{at: at}
		out.bad = takesLess(out)
		if err := Rewrap(t.Context(), out, bytes.NewReader(sealed), testRing, testRing, testBinding); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("Rewrap, write %d: %v", at, err)
		}
	}
}

// TestPanicOfTheWriterBelowSticks: an HTTP server recovers, and the deferred Close of
// who was interrupted must not complete an envelope with a hole.
func TestPanicOfTheWriterBelowSticks(t *testing.T) {
	data := noise(12 << 20)
	for name, level := range map[string]Compression{"zstd": CompressFast, "none": CompressNone} {
		for at := 2; at < 4; at++ {
			out := &faulty{at: at, bad: func([]byte) (int, error) { panic("disk gone") }}
			w, err := NewWriter(t.Context(), out, testRing, testBinding, Options{Compression: level})
			if err != nil {
				t.Fatal(err)
			}
			if p := panicOf(func() { w.Write(data) }); p != "disk gone" {
				t.Fatalf("%s, write %d: recovered %v", name, at, p)
			}
			if n, err := w.Write(data); n != 0 || err == nil {
				t.Errorf("%s, write %d: later %d bytes, %v", name, at, n, err)
			}
			if err := w.Close(); err == nil {
				t.Errorf("%s, write %d: Close completes it", name, at)
			}
			mustRefuse(t, "what was stored", out.stored.Bytes())
		}
	}
}

func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}
