package expand

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha512"
	"fmt"
	"testing"
)

// TestSameAsStandardLibrary compares every output length, and infos on both sides
// of a hash block, also from a Key that was used before.
func TestSameAsStandardLibrary(t *testing.T) {
	for _, prk := range [][]byte{bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, 48), bytes.Repeat([]byte{5}, 200)} {
		k := New(prk)
		for size := 1; size <= MaxSize; size++ {
			info := fmt.Appendf(nil, "%d %s", size, bytes.Repeat([]byte{'x'}, size*5))
			want, err := hkdf.Expand(sha512.New384, prk, string(info), size)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, size)
			if k.Into(got, info); !bytes.Equal(got, want) {
				t.Fatalf("key of %d bytes, info of %d, output of %d: %x, want %x", len(prk), len(info), size, got, want)
			}
		}
	}
}

func TestLongerThanABlockPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(make([]byte, 32)).Into(make([]byte, MaxSize+1), nil)
}
