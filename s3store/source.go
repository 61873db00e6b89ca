package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// source reads what a caller wants to have stored. Its errors are the caller's
// reader's, told from everything else: what that says may look like S3's trouble,
// or damage, and may name a file.
type source struct {
	ctx   context.Context // of the Put: an endless source must not outlive it
	r     io.Reader
	most  int64
	read  int64
	meter *meter
	err   error // sticky
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	if s.took(n) != nil {
		return 0, s.err
	}
	if err != nil && err != io.EOF {
		s.err = reason{ErrSource, "", err}
		return 0, s.err
	}
	return n, err
}

// took counts n bytes more.
func (s *source) took(n int) error {
	s.read += int64(n)
	s.meter.read(int64(n))
	if s.read > s.most && s.err == nil {
		s.err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.most)
	}
	return s.err
}

// atOnce is how much an envelope's writer takes without copying it, and read time.
const atOnce = 4 << 20

// WriteTo implements io.WriterTo, in pieces of atOnce bytes. What is in memory already
// is not copied.
func (s *source) WriteTo(w io.Writer) (total int64, err error) {
	switch r := s.r.(type) {
	case *bytes.Reader:
		return r.WriteTo(pieces{s, w})
	case *bytes.Buffer:
		return r.WriteTo(pieces{s, w})
	}
	buf := make([]byte, atOnce)
	for {
		n, ended := io.ReadFull(s, buf)
		if s.err != nil {
			return total, s.err
		}
		m, err := w.Write(buf[:n])
		total += int64(m)
		if err != nil || ended != nil { // of errors only those of the end are left
			return total, err
		}
	}
}

// pieces passes on what is in memory, as if it were read.
type pieces struct {
	s *source
	w io.Writer
}

func (c pieces) Write(p []byte) (total int, err error) {
	for len(p) > 0 {
		n := min(atOnce, len(p))
		if err := c.s.took(n); err != nil {
			return total, err
		}
		n, err := c.w.Write(p[:n])
		total += n
		if err != nil {
			return total, err
		}
		p = p[n:]
	}
	return total, nil
}

// begin reads up to most bytes, of size that are expected (-1: unknown), and says
// whether that was all.
func (s *source) begin(most, size int64) (first []byte, ended bool, err error) {
	if size < 0 || size > most {
		size = min(most, 64<<10)
	}
	// bytes.Buffer sees the end without growing if MinRead bytes are left.
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(s, size)); err != nil {
		return nil, false, err
	}
	if int64(buf.Len()) == size && size < most { // at once, and not by doubling again and again
		buf = bytes.NewBuffer(append(make([]byte, 0, most+bytes.MinRead), buf.Bytes()...))
		if _, err := buf.ReadFrom(io.LimitReader(s, most-size)); err != nil {
			return nil, false, err
		}
	}
	if int64(buf.Len()) < most {
		return tight(buf.Bytes()), true, nil
	}
	var one [1]byte
	switch _, err := io.ReadFull(s, one[:]); {
	case err == io.EOF:
		return tight(buf.Bytes()), true, nil
	case err != nil:
		return nil, false, err
	}
	return append(buf.Bytes(), one[0]), false, nil
}

// tight is b without much behind it: a cache counts what it is given, not what that
// keeps in memory.
func tight(b []byte) []byte {
	if cap(b) > len(b)+len(b)/4+bytes.MinRead {
		return bytes.Clone(b)
	}
	return b
}

// sizeOf is the size of the data where it is certain: as said, or in memory already.
// -1: it is not.
func sizeOf(r io.Reader, said int64) (int64, error) {
	size := int64(-1)
	switch r := r.(type) {
	case *bytes.Reader:
		size = int64(r.Len())
	case *strings.Reader:
		size = int64(r.Len())
	case *bytes.Buffer:
		size = int64(r.Len())
	}
	switch {
	case said < 0:
		return 0, fmt.Errorf("%w: negative Size", ErrInvalid)
	case said > 0 && size >= 0 && said != size: // an upload that was cut short, in a buffer
		return 0, errLength(nil)
	case said > 0:
		return said, nil
	}
	return size, nil
}

// guess is how long a source will probably be, to choose the size of parts; -1 if
// nobody can say. A file's length is not certain: it may grow while it is read.
func guess(r io.Reader, size int64) int64 {
	f, ok := r.(interface {
		io.Seeker
		Stat() (fs.FileInfo, error)
	})
	if size >= 0 || !ok {
		return size
	}
	info, err := f.Stat()
	at, seekErr := f.Seek(0, io.SeekCurrent)
	if errors.Join(err, seekErr) != nil || !info.Mode().IsRegular() {
		return -1
	}
	return max(info.Size()-at, 0)
}
