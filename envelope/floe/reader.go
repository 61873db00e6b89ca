package floe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Reader opens a stream of segments. It holds one segment of ciphertext and one
// of plaintext, hands out only what verified, and says io.EOF only when the
// final segment verified and nothing follows it. Its first error is its last:
// every later call repeats it. It is not safe for concurrent use.
type Reader struct {
	opener   *Opener
	r        io.Reader
	sealed   []byte
	plain    []byte // the part of buf not yet handed out
	buf      []byte
	position uint64
	err      error
}

// NewReader returns a Reader of the segments in r, which starts behind the
// header. r must end where the message ends.
func NewReader(r io.Reader, o *Opener) *Reader { return &Reader{opener: o, r: r} }

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

// Next appends the plaintext of the next segment to dst. With the final segment
// it returns that plaintext and io.EOF. Do not mix it with [Reader.Read].
func (r *Reader) Next(dst []byte) ([]byte, error) {
	if r.err != nil {
		return dst, r.err
	}
	dst, r.err = r.next(dst)
	return dst, r.err
}

func (r *Reader) next(dst []byte) ([]byte, error) {
	if r.position >= MaxSegments {
		return dst, ErrTooLong
	}
	final, err := r.fill()
	if err != nil {
		return dst, err
	}
	dst, err = r.opener.Open(dst, r.sealed, r.position, final)
	if err != nil {
		return dst, err
	}
	r.position++
	if final {
		return dst, io.EOF
	}
	return dst, nil
}

// fill reads one segment and says whether it is the final one, which its marker
// claims, its tag confirms, and the end of the stream must agree with.
func (r *Reader) fill() (final bool, err error) {
	if r.sealed == nil {
		r.sealed = make([]byte, r.opener.SegmentLength())
	}
	n, err := io.ReadFull(r.r, r.sealed[:cap(r.sealed)])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("floe: reading segment %d: %w", r.position, err)
	}
	if n < SegmentOverhead {
		return false, fmt.Errorf("%w: cut off in segment %d", ErrCorrupt, r.position)
	}
	r.sealed = r.sealed[:n]
	if binary.BigEndian.Uint32(r.sealed) == notFinal {
		return false, nil
	}
	return true, r.expectEnd()
}

func (r *Reader) expectEnd() error {
	var extra [1]byte
	switch n, err := io.ReadFull(r.r, extra[:]); {
	case n > 0:
		return fmt.Errorf("%w: bytes follow the final segment", ErrCorrupt)
	case err != io.EOF:
		return fmt.Errorf("floe: reading the end: %w", err)
	}
	return nil
}
