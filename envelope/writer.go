package envelope

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// Writer seals a stream of up to [MaxSize] bytes in bounded memory: at most
// 16 MiB, or a few segments where those are longer, and if it compresses 32 MiB for
// each TiB, the seek table. Only [Writer.Close]
// completes the envelope; one that was not closed opens nowhere. It is not safe
// for concurrent use.
type Writer struct {
	ctx     context.Context
	data    body
	written int64
	size    int64 // announced; -1: not known
	most    int64
	id      ObjectID
	err     error // sticky
}

// NewWriter writes the header of a new envelope to w and returns a Writer for
// its data. ctx ends the keyring's calls and the writing. Errors are
// [ErrInvalid], [ErrKeyUnknown], or what the keyring or w answered.
func NewWriter(ctx context.Context, w io.Writer, kr Keyring, b Binding, o Options) (*Writer, error) {
	size := o.Size
	if size == 0 && !o.padsPlain() {
		size = -1
	}
	p, err := prepare(ctx, kr, b, o, size)
	if err != nil {
		return nil, err
	}
	if err := writeAll(w, p.head); err != nil {
		return nil, fmt.Errorf("envelope: writing the header: %w", err)
	}
	segments := floe.NewWriter(w, p.sealer)
	segments.Stop = ctx.Err
	return p.writer(ctx, segments), nil
}

// writeAll does not believe a writer that takes less and says nothing.
func writeAll(w io.Writer, b []byte) error {
	n, err := w.Write(b)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// body is where data goes: a compressor, or FLOE itself.
type body interface {
	io.WriteCloser
	Finish(p []byte) error // Write and Close in one, without a copy
}

// prepared is an envelope whose header is made.
type prepared struct {
	head   []byte
	sealer *floe.Sealer
	level  Compression
	pad    bool
	size   int64
	most   int64
	id     ObjectID
}

func prepare(ctx context.Context, kr Keyring, b Binding, o Options, size int64) (*prepared, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkArguments(kr, b); err != nil {
		return nil, err
	}
	k := newDataKey()
	defer k.wipe()
	h := &header{prefix: newPrefix(o)}
	sealer, err := h.fill(ctx, kr, k, b, o, size)
	if err != nil {
		return nil, err
	}
	return &prepared{h.encode(), sealer, o.Compression, o.Pad, size, o.most(), h.prefix.id}, nil
}

// writer is a Writer whose body goes to w.
func (p *prepared) writer(ctx context.Context, w body) *Writer {
	switch {
	case p.level != CompressNone:
		w = newZstdWriter(w, p.level, p.pad, ctx.Err)
	case p.pad:
		w = &paddedWriter{body: w}
	}
	return &Writer{ctx: ctx, data: w, size: p.size, most: p.most, id: p.id}
}

func checkArguments(kr Keyring, b Binding) error {
	if kr == nil {
		return fmt.Errorf("%w: no keyring", ErrInvalid)
	}
	return b.check()
}

// fill makes slots, metadata, FLOE header and MAC, in the order in which each
// covers the one before.
func (h *header) fill(ctx context.Context, kr Keyring, k *dataKey, b Binding, o Options, size int64) (*floe.Sealer, error) {
	binding, prefix := b.digest(), h.prefix.encode()
	if err := h.addSlots(ctx, kr, k, prefix, binding, o.Keys); err != nil {
		return nil, err
	}
	// -1 becomes sizeUnknown.
	m := metadata{size: uint64(size), name: o.Name, user: o.Metadata}
	var err error
	if h.metadata, err = m.seal(k, prefix); err != nil {
		return nil, err
	}
	var key [floe.KeySize]byte
	defer clear(key[:])
	k.Into(key[:], labelFLOE)
	sealer, err := floe.NewSealer(key[:], prefix, o.SegmentLength)
	if err != nil {
		return nil, err
	}
	h.floe = sealer.Header()
	h.sign(k, binding)
	return sealer, nil
}

func (h *header) addSlots(ctx context.Context, kr Keyring, k *dataKey, prefix []byte, binding [sha256.Size]byte, names []string) error {
	for _, name := range names {
		s, err := wrap(ctx, kr, name, k, prefix, binding)
		if err != nil {
			return err
		}
		h.slots = append(h.slots, s)
	}
	return nil
}

// ID is the object id of the envelope being written.
func (w *Writer) ID() ObjectID { return w.id }

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err == nil {
		w.err = w.checkRoom(int64(len(p)))
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.data.Write(p)
	w.written += int64(n)
	w.err = err
	return n, err
}

func (w *Writer) checkRoom(n int64) error {
	switch {
	case w.size >= 0 && n > w.size-w.written:
		return fmt.Errorf("%w: more than %d bytes, which is what Options.Size says", ErrSize, w.size)
	case n > w.most-w.written:
		return fmt.Errorf("%w: at most %d bytes fit this envelope; split the data", ErrSize, w.most)
	}
	return nil
}

// finish is Write of all the data, and Close, without a copy of it.
func (w *Writer) finish(data []byte) error {
	if w.err = w.ctx.Err(); w.err == nil {
		w.err = w.checkRoom(int64(len(data)))
	}
	if w.err == nil {
		w.err = w.data.Finish(data)
	}
	return w.err
}

// Close completes the envelope. After a failed Write it does not, and repeats
// the failure; so it does with [ErrSize] when less was written than announced.
// It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err == nil && w.size >= 0 && w.written != w.size {
		w.err = fmt.Errorf("%w: %d of %d bytes", ErrSize, w.written, w.size)
	}
	if w.err != nil {
		return w.err
	}
	if w.err = w.data.Close(); w.err != nil {
		return w.err
	}
	w.err = ErrClosed
	return nil
}
