package envelope

import (
	"bytes"
	"errors"
	"testing"
)

// TestSealInPlaceIsRefused: the header would be written over the data before it was
// sealed, and what is lost so would be lost without a word.
func TestSealInPlaceIsRefused(t *testing.T) {
	for name, level := range levels {
		data := append(make([]byte, 0, 1<<20), noise(300_000)...)
		o := Options{Compression: level}
		for _, dst := range [][]byte{data[:0], data[:10]} {
			if got, err := Seal(t.Context(), dst, data, testRing, testBinding, o); !errors.Is(err, ErrInvalid) || len(got) != len(dst) {
				t.Errorf("%s: %v", name, err)
			}
		}
		equal(t, "the data", data, noise(300_000))
		sealed, err := Seal(t.Context(), data, data, testRing, testBinding, o)
		if err != nil {
			t.Fatalf("%s, behind itself: %v", name, err)
		}
		got, err := open(t, sealed[len(data):])
		if err != nil {
			t.Fatal(err)
		}
		equal(t, name, got, noise(300_000))
	}
}

func TestOpenInPlaceIsRefused(t *testing.T) {
	sealed := mustSeal(t, text(1000), Options{})
	before := bytes.Clone(sealed)
	if _, _, err := Open(t.Context(), sealed[:0], sealed, testRing, testBinding); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	equal(t, "the envelope", sealed, before)
	got, _, err := Open(t.Context(), sealed, sealed, testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "data behind its envelope", got[len(sealed):], text(1000))
}
