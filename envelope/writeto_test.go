package envelope

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestNothingIsAnsweredBeforeSomethingVerified copies an envelope to an HTTP
// answer: an empty write would say 200 for one of which not a byte verified.
func TestNothingIsAnsweredBeforeSomethingVerified(t *testing.T) {
	sealed := mustSeal(t, noise(1000), Options{})
	sealed[len(sealed)-1] ^= 1
	answer := httptest.NewRecorder()
	r, err := NewReader(t.Context(), bytes.NewReader(sealed), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(answer, r)
	if n != 0 || !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	http.Error(answer, "not available", http.StatusInternalServerError)
	if answer.Code != http.StatusInternalServerError {
		t.Errorf("status %d", answer.Code)
	}
}

func TestEmptyDataIsNotWritten(t *testing.T) {
	r, err := NewReader(t.Context(), bytes.NewReader(mustSeal(t, nil, Options{})), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.WriteTo(&countingWriter{count: func(int) int { t.Error("written"); return 0 }}); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// countingWriter claims to have written what count makes of a length.
type countingWriter struct {
	count   func(int) int
	written int
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n := c.count(len(p))
	c.written += n
	return n, nil
}

func TestShortWriteIsNoSuccess(t *testing.T) {
	sealed := mustSeal(t, noise(1000), Options{Compression: CompressNone})
	r, err := NewReader(t.Context(), bytes.NewReader(sealed), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	w := &countingWriter{count: func(n int) int { return min(n, 10) }}
	if n, err := r.WriteTo(w); n != 10 || w.written != 10 || err != io.ErrShortWrite {
		t.Fatalf("%d bytes, %v", n, err)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "what was not written", rest, noise(1000)[10:])
}

func TestWriterThatMiscountsIsRefused(t *testing.T) {
	sealed := mustSeal(t, noise(1000), Options{})
	for _, off := range []int{1, -2000} {
		r, err := NewReader(t.Context(), bytes.NewReader(sealed), testRing, testBinding)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.WriteTo(&countingWriter{count: func(n int) int { return n + off }}); n != 0 || err == nil {
			t.Errorf("off by %d: %d bytes, %v", off, n, err)
		}
	}
}
