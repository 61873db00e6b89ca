package floe

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Reader opens a stream of segments, a batch at a time, on all cores. It holds a
// batch of ciphertext and one of plaintext, hands out only what verified, and says
// io.EOF only when the final segment verified and nothing follows it. Its first
// error is its last: every later call repeats it. It is not safe for concurrent
// use, and uses no goroutine between calls.
type Reader struct {
	opener   *Opener
	in       source
	plain    []byte // the part of buf not yet handed out
	buf      []byte
	position uint64
	segments int // of the next batch
	most     int // in a batch
	err      error
}

// NewReader returns a Reader of the segments in r, which starts behind the
// header. r must end where the message ends.
func NewReader(r io.Reader, o *Opener) *Reader {
	// Batches grow from a single segment, so that a short message takes little
	// memory and the start of a long one comes early.
	return &Reader{opener: o, in: &readerSource{r: r}, segments: 1, most: o.message.batchSegments()}
}

// NewSliceReader returns a Reader of the segments in sealed, which it does not
// copy.
func NewSliceReader(sealed []byte, o *Opener) *Reader {
	n := o.message.batchSegments() * straight
	return &Reader{opener: o, in: &sliceSource{sealed}, segments: n, most: n}
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.buf, r.err = r.Next(r.buf[:0])
		r.plain = r.buf
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// Next appends the plaintext of the next batch to dst. With the last it returns
// that plaintext and io.EOF. Do not mix it with [Reader.Read].
func (r *Reader) Next(dst []byte) ([]byte, error) {
	if r.err != nil {
		return dst, r.err
	}
	if dst, r.err = r.next(dst); r.err != nil {
		r.in.release()
	}
	return dst, r.err
}

func (r *Reader) next(dst []byte) ([]byte, error) {
	length := r.opener.SegmentLength()
	sealed, ended, err := r.in.take(r.segments * length)
	if err != nil {
		return dst, fmt.Errorf("floe: reading from segment %d: %w", r.position, err)
	}
	n := (len(sealed) + length - 1) / length
	if r.position+uint64(n) > MaxSegments {
		return dst, ErrTooLong
	}
	final, err := r.isFinal(sealed, n, ended)
	if err != nil {
		return dst, err
	}
	if dst, err = r.opener.OpenAll(dst, sealed, r.position, final); err != nil {
		return dst, err
	}
	r.position += uint64(n)
	r.segments = min(2*r.segments, r.most)
	if final {
		return dst, io.EOF
	}
	return dst, nil
}

// isFinal says whether a batch ends the message: what the marker of its last
// segment claims, its tag confirms, and the end of the stream must agree with.
func (r *Reader) isFinal(sealed []byte, n int, ended bool) (bool, error) {
	last := sealed[max(0, n-1)*r.opener.SegmentLength():]
	if len(last) < SegmentOverhead {
		return false, fmt.Errorf("%w: cut off in segment %d", ErrCorrupt, r.position+uint64(max(0, n-1)))
	}
	final := binary.BigEndian.Uint32(last) != notFinal
	switch {
	case final && !ended:
		return false, fmt.Errorf("%w: bytes follow the final segment", ErrCorrupt)
	case !final && ended:
		return false, fmt.Errorf("%w: no final segment", ErrCorrupt)
	}
	return final, nil
}

// source gives out a stream in order. take returns the next n bytes, or what is
// left, and whether the stream ends behind them.
type source interface {
	take(n int) (b []byte, ended bool, err error)
	release() // what take returned is no longer used
}

// maxEmptyReads in a row make a reader one that never gets on, as in bufio.
const maxEmptyReads = 100

// readerSource reads one byte ahead: whether a stream ends is only known then.
type readerSource struct {
	r     io.Reader
	buf   *[]byte // from batches
	ahead []byte  // none or one byte
	extra [1]byte
}

func (s *readerSource) release() {
	if s.buf != nil {
		batches.Put(s.buf)
		s.buf = nil
	}
}

func (s *readerSource) take(n int) ([]byte, bool, error) {
	if s.buf == nil {
		s.buf = batches.Get().(*[]byte)
	}
	*s.buf = slices.Grow((*s.buf)[:0], n+1)
	buf := (*s.buf)[:n+1]
	got, err := s.fill(buf, copy(buf, s.ahead))
	s.ahead = nil
	switch {
	case err != nil:
		return nil, false, err
	case got <= n:
		return buf[:got], true, nil
	}
	s.extra[0] = buf[n]
	s.ahead = s.extra[:]
	return buf[:n], false, nil
}

// fill reads until buf, of which got bytes are there, is full or the stream ends.
// It is not io.ReadFull: that cannot tell the end of the stream from a reader that
// itself broke off with io.ErrUnexpectedEOF, as a lost connection does.
func (s *readerSource) fill(buf []byte, got int) (int, error) {
	for empty := 0; got < len(buf); {
		m, err := s.r.Read(buf[got:])
		got += m
		if empty++; m > 0 {
			empty = 0
		}
		if err == io.EOF {
			break
		}
		if err == nil && empty == maxEmptyReads {
			err = io.ErrNoProgress
		}
		if err != nil {
			return got, err
		}
	}
	return got, nil
}

type sliceSource struct{ rest []byte }

func (*sliceSource) release() {}

func (s *sliceSource) take(n int) ([]byte, bool, error) {
	b := s.rest[:min(n, len(s.rest))]
	s.rest = s.rest[len(b):]
	return b, len(s.rest) == 0, nil
}
