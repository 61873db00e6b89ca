package floe

import (
	"bytes"
	"errors"
	"testing"
)

// TestFailedBatchIsWiped damages the last of some segments: the others verified, but
// nobody is told which, and their plaintext must not stay in the caller's memory.
func TestFailedBatchIsWiped(t *testing.T) {
	header, body := seal(t, bytes.Repeat([]byte{9}, 300), params{testSegment, rotationMask})
	o, err := NewOpener(testKey, []byte("aad"), header)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)-1] ^= 1
	dst := append(make([]byte, 0, 400), "before"...)
	got, err := o.OpenAll(dst, body, 0, true)
	if !errors.Is(err, ErrCorrupt) || string(got) != "before" {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if n := bytes.Count(dst[:cap(dst)], []byte{9}); n > 0 {
		t.Errorf("%d bytes of plaintext in the caller's memory", n)
	}
}

// TestMessageBeyondTheLimitIsTooLong reads as if all segments but one had been read.
func TestMessageBeyondTheLimitIsTooLong(t *testing.T) {
	s, err := NewSealer(testKey, []byte("aad"), testSegment)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpener(testKey, []byte("aad"), s.Header())
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.Seal(nil, pattern(5), MaxSegments-1, true)
	if err != nil {
		t.Fatal(err)
	}
	full, err := s.Seal(nil, pattern(s.PlainSegment()), MaxSegments-1, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body []byte
		err  error
	}{
		"the last segment there is": {last, nil},
		"one more":                  {append(full, last...), ErrTooLong},
	} {
		r := NewSliceReader(c.body, o)
		r.position = MaxSegments - 1
		if _, err := readAll(r); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
