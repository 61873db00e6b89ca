package envelope

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"testing"
)

// TestDamageMetByARangeSticks: an object of which a part is wrong is not to be
// trusted with the rest.
func TestDamageMetByARangeSticks(t *testing.T) {
	for name, level := range levels {
		sealed := mustSeal(t, noise(2<<20), Options{Compression: level})
		sealed[len(sealed)/2] ^= 1
		ra, err := openAt(t, sealed)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 10)
		if _, err := ra.ReadAt(p, 0); err != nil {
			t.Fatalf("%s: before the damage: %v", name, err)
		}
		for _, off := range []int64{1 << 20, 0, 1 << 21} {
			if n, err := ra.ReadAt(p, off); n != 0 || !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %d bytes at %d, %v", name, n, off, err)
			}
		}
	}
}

// lostAfter is an object over HTTP whose server goes away after some reads. net/http
// wraps io.EOF then.
type lostAfter struct {
	*bytes.Reader
	reads int
}

func (l *lostAfter) ReadAt(p []byte, off int64) (int, error) {
	if l.reads--; l.reads < 0 {
		return 0, &url.Error{Op: "Get", URL: "https://bucket", Err: io.EOF}
	}
	return l.Reader.ReadAt(p, off)
}

// TestLostConnectionOfARangeIsNoDamage: damage is for good, and another try helps
// here.
func TestLostConnectionOfARangeIsNoDamage(t *testing.T) {
	sealed := mustSeal(t, noise(1<<20), Options{})
	for reads := 0; ; reads++ {
		in := &lostAfter{bytes.NewReader(sealed), reads}
		ra, err := NewReaderAt(t.Context(), in, int64(len(sealed)), testRing, testBinding)
		if err == nil {
			_, err = ra.ReadAt(make([]byte, 10), 0)
		}
		if err == nil {
			return // whoever did all the reads
		}
		if _, lost := errors.AsType[*url.Error](err); !lost || errors.Is(err, ErrCorrupt) {
			t.Errorf("connection lost at read %d: %v", reads, err)
		}
		if ra == nil {
			continue
		}
		in.reads = 1
		if _, err := ra.ReadAt(make([]byte, 10), 0); err != nil {
			t.Errorf("it came back: %v", err)
		}
	}
}
