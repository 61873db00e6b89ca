package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

var errWriteCount = errors.New("envelope: the writer claims a count that cannot be")

// Info is what an envelope's header tells whoever holds a key.
type Info struct {
	// ID is the identity of this sealing.
	ID ObjectID
	// Key opened the envelope.
	Key KeyID
	// Keys are those that the envelope has slots for.
	Keys []KeyID
	// Size of the data in bytes; -1 if it was not known when the header was
	// written.
	Size int64
	// Name and Metadata as sealed.
	Name     string
	Metadata map[string]string
}

// Reader opens a stream in bounded memory. It hands out only verified data and
// says io.EOF only when the whole envelope verified. Its first error is its
// last: every later call repeats it. It is not safe for concurrent use.
type Reader struct {
	ctx  context.Context
	next func(dst []byte) ([]byte, error)
	info Info
	read int64
	buf  *[]byte // from buffers
	data []byte  // the part of buf not yet handed out
	err  error
}

// NewReader reads and verifies the header of the envelope in r, and not a byte
// more; r must end where the envelope ends. ctx ends the keyring's calls and
// the reading. Errors are [ErrCorrupt], [ErrUnsupported], [ErrKeyUnknown],
// [ErrInvalid], or what the keyring or r answered.
func NewReader(ctx context.Context, r io.Reader, kr Keyring, b Binding) (*Reader, error) {
	return newReader(ctx, r, kr, b, 1, func(o *floe.Opener) *floe.Reader { return floe.NewReader(r, o) })
}

// newReader reads the header from r; body makes the reader of what follows, whose
// first batch is of that many frames.
func newReader(ctx context.Context, r io.Reader, kr Keyring, b Binding, frames int, body func(*floe.Opener) *floe.Reader) (*Reader, error) {
	if err := checkArguments(kr, b); err != nil {
		return nil, err
	}
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	opener, info, err := h.open(ctx, kr, b)
	if err != nil {
		return nil, err
	}
	segments := body(opener)
	next := segments.Next
	switch {
	case h.prefix.codec == codecZstd:
		next = newZstdReader(segments.Next, h.prefix.padded(), frames).decode
	case h.prefix.padded() && info.Size < 0:
		return nil, errPadding
	case h.prefix.padded():
		next = unpad(next, info.Size)
	}
	return &Reader{ctx: ctx, next: next, info: info}, nil
}

// open verifies everything before the segments.
func (h *header) open(ctx context.Context, kr Keyring, b Binding) (*floe.Opener, Info, error) {
	binding, prefix := b.digest(), h.prefix.encode()
	k, used, err := unwrap(ctx, kr, h.slots, prefix, binding)
	if err != nil {
		return nil, Info{}, err
	}
	defer k.wipe()
	if err := h.verify(k, binding); err != nil {
		return nil, Info{}, err
	}
	var key [floe.KeySize]byte
	defer clear(key[:])
	k.Into(key[:], labelFLOE)
	opener, err := floe.NewOpener(key[:], prefix, h.floe)
	if err != nil || opener.SegmentLength() != int(h.prefix.segmentLength) || opener.SegmentLength() > maxSegmentLength {
		return nil, Info{}, fmt.Errorf("%w: FLOE header", ErrCorrupt)
	}
	m, err := openMetadata(k, h.metadata, prefix)
	if err != nil {
		return nil, Info{}, err
	}
	return opener, h.info(used, m), nil
}

func (h *header) info(used KeyID, m metadata) Info {
	info := Info{ID: h.prefix.id, Key: used, Size: int64(m.size), Name: m.name, Metadata: m.user}
	for _, s := range h.slots {
		info.Keys = append(info.Keys, s.key)
	}
	return info
}

// Info returns what the header says.
func (r *Reader) Info() Info { return r.info.clone() }

// clone keeps callers apart who share a reader.
func (i Info) clone() Info {
	i.Keys, i.Metadata = slices.Clone(i.Keys), maps.Clone(i.Metadata)
	return i
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.data) == 0 {
		if r.err != nil {
			r.release()
			return 0, r.err
		}
		r.refill()
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// WriteTo implements [io.WriterTo] without a copy in between.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		n, err := r.flush(w)
		total += int64(n)
		if err != nil {
			return total, err
		}
		if r.err != nil {
			r.release()
		}
		if r.err == io.EOF {
			return total, nil
		}
		if r.err != nil {
			return total, r.err
		}
		r.refill()
	}
}

// buffers keeps the memory of readers that are done: to clear it anew for each of
// them takes longer than to open what it holds.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// refill gets the next data, when all that was at hand is handed out.
func (r *Reader) refill() {
	if r.buf == nil {
		r.buf = buffers.Get().(*[]byte)
	}
	*r.buf = r.fill((*r.buf)[:0])
	r.data = *r.buf
}

// release gives the memory back once nothing of it is at hand any more.
func (r *Reader) release() {
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf, r.data = nil, nil
	}
}

// flush writes the data at hand, and nothing if there is none: to an HTTP answer
// an empty write says 200, and what fails after that cannot be told any more.
func (r *Reader) flush(w io.Writer) (int, error) {
	if len(r.data) == 0 {
		return 0, nil
	}
	n, err := w.Write(r.data)
	if n < 0 || n > len(r.data) {
		return 0, errors.Join(errWriteCount, err)
	}
	if r.data = r.data[n:]; err == nil && len(r.data) > 0 {
		err = io.ErrShortWrite
	}
	return n, err
}

// fill appends the next verified data to dst and sets err with the last.
func (r *Reader) fill(dst []byte) []byte {
	if r.err = r.ctx.Err(); r.err != nil {
		return dst
	}
	at := len(dst)
	dst, err := r.next(dst)
	r.read += int64(len(dst) - at)
	if r.err = r.judge(err); r.err != nil && r.err != io.EOF {
		clear(dst[at:])
		return dst[:at]
	}
	return dst
}

// judge holds the data's length against the sealed one.
func (r *Reader) judge(err error) error {
	switch {
	case err != nil && err != io.EOF:
		return corrupt(err)
	case r.info.Size >= 0 && (r.read > r.info.Size || err == io.EOF && r.read < r.info.Size):
		return fmt.Errorf("%w: size differs from the sealed one", ErrCorrupt)
	}
	return err
}
