package envelope

import (
	"fmt"
	"io"
	"slices"

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

// peeker is a stream that can be looked into, as a bufio.Reader.
type peeker interface {
	io.Reader
	Peek(n int) ([]byte, error)
}

// readFrame appends one compressed frame of r to dst. A zstd frame does not
// begin with its compressed length, so its blocks are walked.
func readFrame(r peeker, dst []byte) ([]byte, zstd.Header, error) {
	var h zstd.Header
	head, err := r.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF {
		return dst, h, err
	}
	if h.Decode(head) != nil || h.Skippable || !acceptable(h) {
		return dst, h, errFrame
	}
	start := len(dst)
	if dst, err = appendN(r, dst, h.HeaderSize); err != nil {
		return dst, h, err
	}
	for last := false; !last; {
		if dst, last, err = readBlock(r, dst); err != nil {
			return dst, h, err
		}
		if len(dst)-start > maxFrameBytes {
			return dst, h, errFrame
		}
	}
	if h.HasCheckSum {
		dst, err = appendN(r, dst, 4)
	}
	return dst, h, err
}

// acceptable refuses what a writer of this format never produces and what
// could take memory: dictionaries, unknown sizes, large frames, large windows.
func acceptable(h zstd.Header) bool {
	return h.DictionaryID == 0 && h.HasFCS && h.FrameContentSize > 0 &&
		h.FrameContentSize <= frameSize && h.WindowSize <= frameSize
}

func readBlock(r peeker, dst []byte) (_ []byte, last bool, err error) {
	at := len(dst)
	if dst, err = appendN(r, dst, blockHeaderSize); err != nil {
		return dst, false, err
	}
	b := uint32(dst[at]) | uint32(dst[at+1])<<8 | uint32(dst[at+2])<<16
	size := int(b >> 3)
	switch b >> 1 & 3 {
	case 1: // RLE: one byte stands for size
		size = 1
	case 3: // reserved
		return dst, false, errFrame
	}
	if size > maxFrameBytes {
		return dst, false, errFrame
	}
	dst, err = appendN(r, dst, size)
	return dst, b&1 == 1, err
}

// appendN appends exactly n bytes of r. The stream's end inside a frame is
// damage, since FLOE has already verified where the stream ends.
func appendN(r io.Reader, dst []byte, n int) ([]byte, error) {
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	switch _, err := io.ReadFull(r, dst[at:]); err {
	case nil:
		return dst, nil
	case io.EOF, io.ErrUnexpectedEOF:
		return dst[:at], errFrame
	default:
		return dst[:at], err
	}
}

// decodeFrame fills out with the data of one frame, which must be exactly as long.
func decodeFrame(out, frame []byte) error {
	got, err := decoder256K().DecodeAll(frame, out[:0:len(out)])
	if err != nil || len(got) != len(out) {
		return errFrame
	}
	return nil
}
