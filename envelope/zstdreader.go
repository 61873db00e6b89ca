package envelope

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/hipaakit/hipaakit/internal/forkjoin"
)

// zstdReader reads frames in order and decompresses a batch of them at a time, on
// all cores. What it reads is authenticated, yet it is held to the format: an
// application that seals hostile data on behalf of others must still open it in
// bounded memory.
type zstdReader struct {
	r      *bufio.Reader
	check  *seekCheck
	frames []frame // of the batch
	most   int     // frames in the next batch
	buf    []byte  // their bytes
	padded bool
}

type frame struct {
	from, to int // in buf
	header   zstd.Header
	at       int // in the batch's data
}

func newZstdReader(r io.Reader, padded bool) *zstdReader {
	// Batches grow from one frame, so that the start of a stream comes early.
	return &zstdReader{r: bufio.NewReaderSize(r, 64<<10), check: newSeekCheck(), most: 1, padded: padded}
}

// next appends the data of the next frames to dst; io.EOF only after the seek
// table and the end of the stream verified.
func (z *zstdReader) next(dst []byte) ([]byte, error) {
	size, err := z.gather()
	if err != nil && err != io.EOF {
		return dst, err
	}
	dst = slices.Grow(dst, size)
	out := dst[len(dst) : len(dst)+size]
	failed := forkjoin.Do(len(z.frames), func(i int) error {
		f := z.frames[i]
		return decodeFrame(out[f.at:f.at+int(f.header.FrameContentSize)], z.buf[f.from:f.to])
	})
	if failed != nil {
		return dst, failed
	}
	z.most = min(2*z.most, forkjoin.Workers()*framesPerWorker)
	return dst[:len(dst)+size], err
}

// gather reads the frames of a batch and returns the size of their data, with
// io.EOF if the stream ends behind them.
func (z *zstdReader) gather() (size int, err error) {
	z.frames, z.buf = z.frames[:0], z.buf[:0]
	for len(z.frames) < z.most {
		table, err := z.atTable()
		if err != nil {
			return 0, err
		}
		if table {
			if err := z.check.verify(z.r); err != nil {
				return 0, err
			}
			return size, io.EOF
		}
		f := frame{from: len(z.buf), at: size}
		if z.buf, f.header, err = readFrame(z.r, z.buf); err != nil {
			return 0, err
		}
		f.to = len(z.buf)
		z.frames = append(z.frames, f)
		z.check.add(f.to-f.from, int(f.header.FrameContentSize))
		size += int(f.header.FrameContentSize)
	}
	return size, nil
}

func (z *zstdReader) atTable() (bool, error) {
	head, err := z.r.Peek(4)
	if errors.Is(err, io.EOF) {
		return false, errSeekTable
	}
	if err != nil {
		return false, err
	}
	switch magic := binary.LittleEndian.Uint32(head); {
	case magic == padMagic && z.padded:
		return true, z.skipPadding()
	case magic == seekTableMagic && !z.padded:
		return true, nil
	case magic == seekTableMagic:
		return false, errSeekTable // the padding is missing
	}
	return false, nil
}

// skipPadding leaves the reader before the seek table, which is verified next.
func (z *zstdReader) skipPadding() error {
	var head [skippableHeader]byte
	if err := readTable(z.r, head[:]); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(head[4:]))
	if skipped, err := io.CopyN(zeroSink{}, z.r, n); err != nil || skipped != n {
		return tableError(err)
	}
	return nil
}

// zeroSink refuses what is not zero: padding carries nothing.
type zeroSink struct{}

func (zeroSink) Write(p []byte) (int, error) {
	for _, b := range p {
		if b != 0 {
			return 0, errPadding
		}
	}
	return len(p), nil
}
