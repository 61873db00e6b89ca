package envelope

import (
	"encoding/binary"
	"io"
	"slices"
	"sync"

	"github.com/hipaakit/hipaakit/internal/forkjoin"
)

// zstdReader reads frames in order and decompresses a batch of them at a time, on
// all cores. What it reads is authenticated, yet it is held to the format: an
// application that seals hostile data on behalf of others must still open it in
// bounded memory.
type zstdReader struct {
	*window
	check  *seekCheck
	frames []frame // of the batch
	most   int     // frames in the next batch
	limit  int     // and in any
	padded bool
	out    []byte // of the batch
	open   func(int) error
}

type frame struct {
	from, to int // in the window's buf
	at, size int // in the batch's data
}

// windows keeps the memory of readers that are done: a new one costs more than
// what a small object needs it for.
var windows = sync.Pool{New: func() any { return new(window) }}

// newZstdReader reads what next appends, with io.EOF at its end. The first batch is
// of as many frames as most says.
func newZstdReader(next func([]byte) ([]byte, error), padded bool, most int) *zstdReader {
	w := windows.Get().(*window)
	*w = window{next: next, buf: w.buf[:0]}
	z := &zstdReader{window: w, check: newSeekCheck(), most: most, limit: max(most, batchFrames()), padded: padded}
	z.open = z.openFrame // made once, as a method value is allocated
	return z
}

// decode appends the data of the next frames to dst; io.EOF only after the seek
// table and the end of the stream verified. After an error it must not be called
// again.
func (z *zstdReader) decode(dst []byte) ([]byte, error) {
	size, err := z.gather()
	if err == nil || err == io.EOF {
		dst = slices.Grow(dst, size)
		if failed := z.decompress(dst[len(dst) : len(dst)+size]); failed != nil {
			size, err = 0, failed
		}
		dst = dst[:len(dst)+size]
	}
	if err != nil {
		z.window.next = nil
		windows.Put(z.window)
		z.window = nil
	}
	z.most = min(2*z.most, z.limit)
	return dst, err
}

// decompress fills out, or leaves nothing in it.
func (z *zstdReader) decompress(out []byte) error {
	z.out = out
	err := forkjoin.Do(len(z.frames), z.open)
	if err != nil {
		clear(out)
	}
	z.out = nil
	return err
}

func (z *zstdReader) openFrame(i int) error {
	f := z.frames[i]
	return decodeFrame(z.out[f.at:f.at+f.size], z.buf[f.from:f.to])
}

// gather finds the frames of a batch and returns the size of their data; io.EOF if
// there are none and the stream ended as it must.
func (z *zstdReader) gather() (size int, err error) {
	z.shift()
	z.frames = z.frames[:0]
	for len(z.frames) < z.most {
		table, err := z.atTable()
		if err != nil {
			return 0, err
		}
		if table && len(z.frames) == 0 {
			return 0, z.finish()
		}
		if table {
			return size, nil // to read on would move the bytes of the batch
		}
		f, err := z.frame(size)
		if err != nil {
			return 0, err
		}
		z.frames = append(z.frames, f)
		z.check.add(f.to-f.from, f.size)
		size += f.size
	}
	return size, nil
}

// finish returns io.EOF if all that is left is padding, where it has to be, and the
// seek table.
func (z *zstdReader) finish() error {
	if z.padded {
		if err := z.skipPadding(); err != nil {
			return err
		}
	}
	if err := z.check.verify(z.window); err != nil {
		return err
	}
	return io.EOF
}

// frame takes the next frame off the stream.
func (z *zstdReader) frame(at int) (frame, error) {
	b, err := z.peek(1)
	for {
		h, n, bad := scanFrame(b)
		if bad == nil {
			z.at += n
			return frame{z.at - n, z.at, at, int(h.FrameContentSize)}, nil
		}
		if bad != errShort || err == io.EOF {
			return frame{}, errFrame
		}
		if err != nil {
			return frame{}, err
		}
		b, err = z.peek(len(b) + 1)
	}
}

// atTable says whether the frames are over.
func (z *zstdReader) atTable() (bool, error) {
	head, err := z.peek(4)
	if len(head) < 4 {
		return false, tableError(err)
	}
	switch magic := binary.LittleEndian.Uint32(head); {
	case magic == padMagic && z.padded, magic == seekTableMagic && !z.padded:
		return true, nil
	case magic == seekTableMagic:
		return false, errSeekTable // the padding is missing
	}
	return false, nil
}

// skipPadding leaves the reader before the seek table, which is verified next.
func (z *zstdReader) skipPadding() error {
	var head [skippableHeader]byte
	if err := readTable(z, head[:]); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(head[4:]))
	if skipped, err := io.CopyN(zeroSink{}, z, n); err != nil || skipped != n {
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
