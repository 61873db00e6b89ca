package envelope

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestStreamsAndRangesTakeTheSameFrames seals frames at the edges of what the format
// allows. The longest is 266,240 bytes: of data in so many small blocks that their
// headers fill what is left.
func TestStreamsAndRangesTakeTheSameFrames(t *testing.T) {
	longest, longer := noise(frameSize-2), noise(frameSize-1)
	for name, c := range map[string]struct {
		data, frame []byte
		ok          bool
	}{
		"one byte":         {noise(1), frameOf(noise(1), []int{1}), true},
		"longest":          {longest, frameOf(longest, evenly(len(longest), 1363)), true},
		"a byte longer":    {longer, frameOf(longer, evenly(len(longer), 1363)), false},
		"blocks of bytes":  {noise(100_000), frameOf(noise(100_000), evenly(100_000, 100_000)), false},
		"empty":            {nil, frameOf(nil, []int{0}), false},
		"with a checksum":  {noise(1000), frameOf(noise(1000), []int{1000}, checksumOf(t, noise(1000))...), false},
		"longest with one": {longest, frameOf(longest, evenly(len(longest), 1363), checksumOf(t, longest)...), false},
	} {
		got, err := openBody(t, slices.Concat(c.frame, seekTable(nil).add(len(c.frame), len(c.data)).encode()))
		if c.ok && (err != nil || !bytes.Equal(got, c.data)) || !c.ok && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, a frame of %d bytes: %v", name, len(c.frame), err)
		}
	}
}

func checksumOf(t *testing.T, data []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	all := e.EncodeAll(data, nil)
	return all[len(all)-4:]
}

// TestEndlessFrameTakesLittleMemory: blocks may be empty, so that the size of its
// data does not bound a frame.
func TestEndlessFrameTakesLittleMemory(t *testing.T) {
	sealed := sealAs(t, Options{}, -1, frameOf(noise(1), make([]int, 8<<20)))
	taken := allocated(func() {
		if got, err := streamed(t, sealed); !errors.Is(err, ErrCorrupt) || len(got) > 0 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	if taken > 8<<20 {
		t.Errorf("%d MiB were taken for a frame of a byte", taken>>20)
	}
}

// TestDecoderWritesAndTakesNoMoreThanItIsGiven hands it frames with more data than
// room, honest about it or not.
func TestDecoderWritesAndTakesNoMoreThanItIsGiven(t *testing.T) {
	rle := []byte{0x28, 0xB5, 0x2F, 0xFD, 0x20, 10, 0x03, 0x00, 0x10, 7} // says 10 bytes, and holds 128 KiB of sevens
	for name, frame := range map[string][]byte{
		"honest": encodeFrame(CompressFast, text(frameSize), nil), "lying": rle,
	} {
		memory := make([]byte, 100)
		if err := decodeFrame(memory[:10], frame); !errors.Is(err, ErrCorrupt) { // makes the decoder, too
			t.Errorf("%s: %v", name, err)
		}
		taken := allocated(func() { decodeFrame(memory[:10], frame) })
		if taken > 32<<10 {
			t.Errorf("%s: %d KiB were taken", name, taken>>10)
		}
		if notZero(memory[10:]) > 0 {
			t.Errorf("%s: written behind the room", name)
		}
	}
}
