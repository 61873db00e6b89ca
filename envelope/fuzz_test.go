package envelope

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzOpen(f *testing.F) {
	for _, n := range []int{0, 1, 200} {
		f.Add(mustSeal(f, noise(n), small))
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if _, err := open(t, sealed); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrKeyUnknown) {
			t.Fatalf("an error that answers nothing: %v", err)
		}
	})
}

// FuzzBody fuzzes what lies behind the authentication.
func FuzzBody(f *testing.F) {
	frame := encodeFrame(CompressFast, text(1000), nil)
	f.Add(append(frame, seekTable(nil).add(len(frame), 1000).encode()...))
	f.Add(seekTable(nil).encode())
	f.Fuzz(func(t *testing.T, body []byte) {
		data, err := openBody(t, body)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("an error that answers nothing: %v", err)
		}
		if len(data) > (len(body)/9+1)*frameSize {
			t.Fatalf("%d bytes became %d", len(body), len(data))
		}
	})
}

// FuzzHeader demands that a header which parses is written back as it was: were
// there two encodings, the MAC over one of them would speak for the other.
func FuzzHeader(f *testing.F) {
	f.Add(forged(DefaultKey))
	f.Add(forged("a", "b", "tenant-17"))
	f.Add(mustSeal(f, noise(10), small))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		h, err := readHeader(in)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("an error that answers nothing: %v", err)
			}
			return
		}
		if read := b[:len(b)-in.Len()]; !bytes.Equal(h.encode(), read) || len(read) > MaxHeaderSize {
			t.Fatalf("%d bytes were read, and written back otherwise", len(read))
		}
	})
}

// FuzzSeekTable puts a table behind two honest frames. Only the one that tells
// the truth may be believed, by streams and by ranges.
func FuzzSeekTable(f *testing.F) {
	one := encodeFrame(CompressFast, text(1000), nil)
	two := encodeFrame(CompressFast, text(300), nil)
	honest := seekTable(nil).add(len(one), 1000).add(len(two), 300).encode()
	f.Add(honest)
	f.Add(seekTable(nil).add(len(one)+len(two), 1300).encode())
	f.Add(seekTable(nil).add(len(one), 1000).encode())
	f.Add(append([]byte{0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 0, 0}, honest...))
	f.Fuzz(func(t *testing.T, table []byte) {
		_, err := openBody(t, bytes.Join([][]byte{one, two, table}, nil))
		// More frames may follow, and be told of by a table of their own.
		if err == nil && !bytes.Equal(table, honest) && len(table) <= len(honest) {
			t.Fatalf("a false table was believed: %x", table)
		}
		if err != nil && (!errors.Is(err, ErrCorrupt) || bytes.Equal(table, honest)) {
			t.Fatal(err)
		}
	})
}
