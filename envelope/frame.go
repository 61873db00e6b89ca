package envelope

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// frameSize is the data of a zstd frame. On FHIR JSON 256 KiB frames
	// compress 12.1 times, 64 KiB frames 11.2 times, 1 MiB frames hardly better.
	frameSize = 256 << 10

	frameMagic      = 0xFD2FB528
	blockHeaderSize = 3
	// maxFrameBytes bounds a compressed frame: raw blocks of 128 KiB, their
	// headers, the frame's header, and slack for encoders that cut blocks small.
	maxFrameBytes = frameSize + 4<<10
)

var errFrame = fmt.Errorf("%w: zstd frame", ErrCorrupt)

// errShort says that a frame goes on behind the bytes at hand.
var errShort = fmt.Errorf("%w, cut off", errFrame)

// scanFrame returns header and length of the frame that b begins with. A zstd
// frame does not begin with its compressed length, so its blocks are walked.
func scanFrame(b []byte) (h zstd.Header, length int, err error) {
	switch err := h.Decode(b); {
	case err == io.ErrUnexpectedEOF:
		return h, 0, errShort
	case err != nil || h.Skippable || !acceptable(h):
		return h, 0, errFrame
	}
	length = h.HeaderSize
	for last := false; !last; {
		var size int
		if size, last, err = scanBlock(b[min(length, len(b)):]); err != nil {
			return h, 0, err
		}
		if length += size; length > maxFrameBytes {
			return h, 0, errFrame
		}
	}
	if length > len(b) {
		return h, 0, errShort
	}
	return h, length, nil
}

// acceptable refuses what a writer of this format never produces and what could
// take memory: dictionaries, checksums, unknown sizes, large frames or windows.
func acceptable(h zstd.Header) bool {
	return h.DictionaryID == 0 && !h.HasCheckSum && h.HasFCS && h.FrameContentSize > 0 &&
		h.FrameContentSize <= frameSize && h.WindowSize <= frameSize
}

// scanBlock returns the length of the block that b begins with, header included.
func scanBlock(b []byte) (size int, last bool, err error) {
	if len(b) < blockHeaderSize {
		return 0, false, errShort
	}
	head := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	size = int(head >> 3)
	switch head >> 1 & 3 {
	case 1: // RLE: one byte stands for size
		size = 1
	case 3: // reserved
		return 0, false, errFrame
	}
	return blockHeaderSize + size, head&1 == 1, nil
}

// decodeFrame fills out with the data of one frame, which must be exactly as long.
func decodeFrame(out, frame []byte) error {
	d := decoders.get()
	got, err := d.DecodeAll(frame, out[:0:len(out)])
	decoders.put(d) // not after a panic
	if err != nil || len(got) != len(out) {
		return errFrame
	}
	return nil
}
