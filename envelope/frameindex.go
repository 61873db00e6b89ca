package envelope

import (
	"context"
	"encoding/binary"
	"sort"
	"sync/atomic"

	"github.com/hipaakit/hipaakit/internal/forkjoin"
)

// frameIndex is a seek table in memory: where each frame begins, in the
// compressed stream and in the data. Both have one entry more than there are
// frames.
type frameIndex struct {
	compressed, data []int64
	recent           atomic.Pointer[piece] // as in segmentReader
}

// readFrameIndex reads the seek table from the end of the stream. Its sums must
// equal the stream.
func readFrameIndex(ctx context.Context, s *segmentReader, padded bool) (*frameIndex, error) {
	footer := make([]byte, seekFooterSize)
	if s.size < skippableHeader+seekFooterSize {
		return nil, errSeekTable
	}
	if err := s.read(ctx, footer, s.size-seekFooterSize); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(footer))
	size := skippableHeader + n*seekEntrySize + seekFooterSize
	if size > s.size || footer[4] != 0 || binary.LittleEndian.Uint32(footer[5:]) != seekFooterMagic {
		return nil, errSeekTable
	}
	table := make([]byte, size)
	if err := s.read(ctx, table, s.size-size); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(table) != seekTableMagic || binary.LittleEndian.Uint32(table[4:]) != uint32(size-skippableHeader) {
		return nil, errSeekTable
	}
	x, err := newFrameIndex(table[skippableHeader : len(table)-seekFooterSize])
	if err != nil {
		return nil, err
	}
	return x, x.checkEnd(ctx, s, s.size-size, padded)
}

// checkEnd demands that the frames end where the seek table begins, or where the
// padding before it does.
func (x *frameIndex) checkEnd(ctx context.Context, s *segmentReader, table int64, padded bool) error {
	end := x.compressed[len(x.compressed)-1]
	if !padded {
		if end != table {
			return errSeekTable
		}
		return nil
	}
	head := make([]byte, skippableHeader)
	if end+skippableHeader > table {
		return errPadding
	}
	if err := s.read(ctx, head, end); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(head) != padMagic || int64(binary.LittleEndian.Uint32(head[4:])) != table-end-skippableHeader {
		return errPadding
	}
	return nil
}

func newFrameIndex(entries []byte) (*frameIndex, error) {
	n := len(entries) / seekEntrySize
	x := &frameIndex{compressed: make([]int64, n+1), data: make([]int64, n+1)}
	for i := range n {
		e := entries[i*seekEntrySize:]
		c, d := binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])
		if c == 0 || c > maxFrameBytes || d == 0 || d > frameSize {
			return nil, errSeekTable
		}
		x.compressed[i+1], x.data[i+1] = x.compressed[i]+int64(c), x.data[i]+int64(d)
	}
	return x, nil
}

// size is that of the data.
func (x *frameIndex) size() int64 { return x.data[len(x.data)-1] }

// read fills p with the data at off, which must be within size.
func (x *frameIndex) read(ctx context.Context, s *segmentReader, p []byte, off int64) error {
	for len(p) > 0 {
		first := sort.Search(len(x.data), func(i int) bool { return x.data[i] > off }) - 1
		end := sort.Search(len(x.data), func(i int) bool { return x.data[i] >= off+int64(len(p)) })
		end = min(end, first+batchFrames())
		data, err := x.decode(ctx, s, first, end)
		if err != nil {
			return err
		}
		if end == first+1 {
			x.recent.Store(&piece{int64(first), data})
		}
		got := copy(p, data[off-x.data[first]:])
		p, off = p[got:], off+int64(got)
	}
	return nil
}

// decode returns the data of frames first to end-1.
func (x *frameIndex) decode(ctx context.Context, s *segmentReader, first, end int) ([]byte, error) {
	if recent := x.recent.Load(); recent != nil && end == first+1 && recent.index == int64(first) {
		return recent.data, nil
	}
	base := x.compressed[first]
	compressed := make([]byte, x.compressed[end]-base)
	if err := s.read(ctx, compressed, base); err != nil {
		return nil, err
	}
	data := make([]byte, x.data[end]-x.data[first])
	err := forkjoin.Do(end-first, func(i int) error {
		i += first
		frame := compressed[x.compressed[i]-base : x.compressed[i+1]-base]
		if err := checkFrame(frame, x.data[i+1]-x.data[i]); err != nil {
			return err
		}
		return decodeFrame(data[x.data[i]-x.data[first]:x.data[i+1]-x.data[first]], frame)
	})
	return data, err
}

// checkFrame demands of b what the stream reader demands: one frame, nothing
// else, of the size that the table says. A body that one reader opens and another
// does not would be two answers to one question.
func checkFrame(b []byte, size int64) error {
	h, length, err := scanFrame(b)
	if err != nil || length != len(b) || int64(h.FrameContentSize) != size {
		return errFrame
	}
	return nil
}
