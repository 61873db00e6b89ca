package envelope

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// zstdReader reads frames in order. What it reads is authenticated, yet it is
// held to the format: an application that seals hostile data on behalf of
// others must still open it in bounded memory.
type zstdReader struct {
	r     *bufio.Reader
	check *seekCheck
	frame []byte
}

func newZstdReader(r io.Reader) *zstdReader {
	return &zstdReader{r: bufio.NewReaderSize(r, 64<<10), check: newSeekCheck()}
}

// next appends the data of the next frame to dst; io.EOF only after the seek
// table and the end of the stream verified.
func (z *zstdReader) next(dst []byte) ([]byte, error) {
	head, err := z.r.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errSeekTable
		}
		return dst, err
	}
	if binary.LittleEndian.Uint32(head) == seekTableMagic {
		if err := z.check.verify(z.r); err != nil {
			return dst, err
		}
		return dst, io.EOF
	}
	frame, h, err := readFrame(z.r, z.frame[:0])
	if err != nil {
		return dst, err
	}
	z.frame = frame
	z.check.add(len(frame), int(h.FrameContentSize))
	return decodeFrame(dst, frame, h)
}
