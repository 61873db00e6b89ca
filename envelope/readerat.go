package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// ReaderAt opens ranges of an envelope and reads no more than they need: header,
// final segment and seek table once, then the segments that hold the frames
// touched. It hands out only verified data. Safe for concurrent use, if the
// underlying reader is.
type ReaderAt struct {
	ctx      context.Context
	segments *segmentReader
	frames   *frameIndex // nil: codec none
	info     Info
	damage   atomic.Pointer[error] // met by a read, sticky
}

// NewReaderAt verifies the header, the end and the seek table of the envelope that
// is the size bytes of r. The final segment is verified as final before a byte is
// returned, so what was cut off is noticed here. ctx ends the keyring's calls and
// later reads. Errors are those of [NewReader].
//
// It holds the seek table, 16 bytes for each 256 KiB of data. It does not read
// padding, which [NewReader] demands to be zeros.
func NewReaderAt(ctx context.Context, r io.ReaderAt, size int64, kr Keyring, b Binding) (*ReaderAt, error) {
	if err := checkArguments(kr, b); err != nil {
		return nil, err
	}
	head := io.NewSectionReader(r, 0, size)
	h, err := readHeader(head)
	if err != nil {
		return nil, err
	}
	opener, info, err := h.open(ctx, kr, b)
	if err != nil {
		return nil, err
	}
	start, _ := head.Seek(0, io.SeekCurrent) // of a SectionReader: does not fail
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ra := &ReaderAt{ctx: ctx, info: info}
	if ra.segments, err = newSegmentReader(io.NewSectionReader(r, start, size-start), opener); err != nil {
		return nil, err
	}
	data := ra.segments.size
	switch {
	case h.prefix.codec == codecZstd:
		if ra.frames, err = readFrameIndex(ctx, ra.segments, h.prefix.padded()); err != nil {
			return nil, err
		}
		data = ra.frames.size()
	case h.prefix.padded() && padme(info.Size) != data:
		return nil, errPadding
	case h.prefix.padded():
		data = info.Size
	}
	if info.Size >= 0 && info.Size != data {
		return nil, fmt.Errorf("%w: size differs from the sealed one", ErrCorrupt)
	}
	ra.info.Size = data
	return ra, nil
}

// Info returns what the header says. Its Size is always known.
func (r *ReaderAt) Info() Info { return r.info.clone() }

// Size is that of the data in bytes.
func (r *ReaderAt) Size() int64 { return r.info.Size }

// ReadAt implements [io.ReaderAt]. Once a read has met damage, all later ones repeat
// that error. Other errors do not stick: a lost connection may come back.
func (r *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("%w: negative offset", ErrInvalid)
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if damage := r.damage.Load(); damage != nil {
		return 0, *damage
	}
	if off >= r.info.Size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.info.Size-off))
	var err error
	if r.frames == nil {
		err = r.segments.read(r.ctx, p[:n], off)
	} else {
		err = r.frames.read(r.ctx, r.segments, p[:n], off)
	}
	if err != nil {
		clear(p[:n]) // part of it may have been verified, but nobody is told which
		if errors.Is(err, ErrCorrupt) {
			r.damage.CompareAndSwap(nil, &err)
		}
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// segmentReader reads ranges of the FLOE plaintext.
type segmentReader struct {
	r      *io.SectionReader
	opener *floe.Opener
	size   int64  // of the plaintext
	last   int64  // position of the final segment
	tail   []byte // its plaintext
	// recent is the segment read last by itself: small reads one behind the other,
	// as a decoder makes them, would open it again and again.
	recent atomic.Pointer[piece]
}

// piece is plaintext that is never written to again.
type piece struct {
	index int64
	data  []byte
}

func newSegmentReader(r *io.SectionReader, o *floe.Opener) (*segmentReader, error) {
	length := int64(o.SegmentLength())
	n := (r.Size() + length - 1) / length
	s := &segmentReader{r: r, opener: o, size: r.Size() - n*floe.SegmentOverhead, last: n - 1}
	if n == 0 || n > floe.MaxSegments || r.Size()-s.last*length < floe.SegmentOverhead {
		return nil, fmt.Errorf("%w: cut off", ErrCorrupt)
	}
	sealed := make([]byte, r.Size()-s.last*length)
	if err := readSection(r, sealed, s.last*length); err != nil {
		return nil, err
	}
	var err error
	s.tail, err = o.Open(nil, sealed, uint64(s.last), true)
	return s, corrupt(err)
}

func (s *segmentReader) plain() int64 { return int64(s.opener.SegmentLength() - floe.SegmentOverhead) }

// readBatch bounds the ciphertext in memory, in bytes.
const readBatch = 4 << 20

// read fills p with the plaintext at off, which must be within size.
func (s *segmentReader) read(ctx context.Context, p []byte, off int64) error {
	length := int64(s.opener.SegmentLength())
	for len(p) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		first := off / s.plain()
		if first == s.last {
			copy(p, s.tail[off-first*s.plain():])
			return nil
		}
		if recent := s.recent.Load(); recent != nil && recent.index == first {
			got := copy(p, recent.data[off-first*s.plain():])
			p, off = p[got:], off+int64(got)
			continue
		}
		// The segments that p touches, without the final one, which is here already.
		n := min((off+int64(len(p))-1)/s.plain(), s.last-1) - first + 1
		n = min(n, max(1, readBatch/length))
		sealed := make([]byte, n*length)
		if err := readSection(s.r, sealed, first*length); err != nil {
			return err
		}
		plain, err := s.opener.OpenAll(nil, sealed, uint64(first), false)
		if err != nil {
			return corrupt(err)
		}
		if n == 1 {
			s.recent.Store(&piece{first, plain})
		}
		got := copy(p, plain[off-first*s.plain():])
		p, off = p[got:], off+int64(got)
	}
	return nil
}

// readSection fills b. The length of r was taken on the caller's word: that it
// ends early is damage.
func readSection(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF: // not one that wraps it: so ends a connection that broke
		return fmt.Errorf("%w: cut off", ErrCorrupt)
	}
	return fmt.Errorf("envelope: reading at %d: %w", off, err)
}

// corrupt makes FLOE's refusal this package's.
func corrupt(err error) error {
	if errors.Is(err, floe.ErrCorrupt) || errors.Is(err, floe.ErrTooLong) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}
