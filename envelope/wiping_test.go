package envelope

import (
	"bytes"
	"errors"
	"testing"
)

// TestFailedOpenLeavesNothingInTheCallersMemory looks into the free space of dst:
// what verified before the damage was met is part of an envelope too. Some lie in the
// caller's array though dst had to grow, some in a batch that was given up.
func TestFailedOpenLeavesNothingInTheCallersMemory(t *testing.T) {
	frame, other := encodeFrame(CompressFast, noise(1000), nil), encodeFrame(CompressFast, text(1000), nil)
	damaged := bytes.Clone(other)
	damaged[len(damaged)-3] ^= 0x55
	table := seekTable(nil).add(len(frame), 1000).add(len(other), 1000).encode()
	plain := Options{Compression: CompressNone}
	stream := sealAs(t, plain, -1, noise(9<<20))
	for name, c := range map[string]struct {
		sealed []byte
		room   int
	}{
		"dst grew":         {stream[:len(stream)-10], 5 << 20},
		"dst had room":     {stream[:len(stream)-10], 10 << 20},
		"size differs":     {sealAs(t, plain, 10, noise(1000)), 4096},
		"second frame bad": {sealAs(t, Options{}, -1, frame, damaged, table), 4096},
		"table bad":        {sealAs(t, Options{}, -1, frame, other, table[:len(table)-1], []byte{0}), 4096},
	} {
		dst := append(make([]byte, 0, c.room), "before"...)
		got, _, err := Open(t.Context(), dst, c.sealed, testRing, testBinding)
		if !errors.Is(err, ErrCorrupt) || string(got) != "before" {
			t.Fatalf("%s: %d bytes, %v", name, len(got), err)
		}
		if n := notZero(dst[len(dst):cap(dst)]); n > 0 {
			t.Errorf("%s: %d bytes of plaintext in the caller's memory", name, n)
		}
	}
}

func notZero(b []byte) int { return len(b) - bytes.Count(b, []byte{0}) }

// TestFailedRangeLeavesNothingInTheCallersMemory reads a range whose beginning is
// good and was copied before its end turned out to be damaged.
func TestFailedRangeLeavesNothingInTheCallersMemory(t *testing.T) {
	data := noise(6 << 20) // of more than a batch
	for name, level := range levels {
		sealed := mustSeal(t, data, Options{Compression: level})
		sealed[len(sealed)*9/10] ^= 1
		ra, err := openAt(t, sealed)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, len(data))
		if n, err := ra.ReadAt(p, 0); n != 0 || !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s: %d bytes, %v", name, n, err)
		}
		if n := notZero(p); n > 0 {
			t.Errorf("%s: %d bytes of plaintext in the caller's memory", name, n)
		}
	}
}
