package floe

import "io"

// Writer seals a stream. It holds one segment of plaintext and one of
// ciphertext. It is not safe for concurrent use.
type Writer struct {
	sealer   *Sealer
	w        io.Writer
	plain    []byte
	sealed   []byte
	position uint64
	err      error // sticky: a stream with a hole must not be continued
}

// NewWriter returns a Writer that appends segments to w. It does not write the
// header; its caller decides where [Sealer.Header] goes.
func NewWriter(w io.Writer, s *Sealer) *Writer { return &Writer{sealer: s, w: w} }

// Write seals p. A full segment is kept back until more comes, since it may be
// the final one.
func (w *Writer) Write(p []byte) (int, error) {
	written := 0
	for w.err == nil && len(p) > 0 {
		if len(w.plain) == w.sealer.PlainSegment() {
			w.flush(false)
			continue
		}
		n := min(len(p), w.sealer.PlainSegment()-len(w.plain))
		w.plain = append(w.plain, p[:n]...)
		p = p[n:]
		written += n
	}
	return written, w.err
}

// Close writes the final segment. Without it the stream does not open: a
// writer that is merely dropped leaves what every reader calls truncated. It
// does not close the underlying writer. A second Close answers [ErrClosed].
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.flush(true)
	if w.err != nil {
		return w.err
	}
	w.err = ErrClosed
	return nil
}

func (w *Writer) flush(final bool) {
	w.sealed, w.err = w.sealer.Seal(w.sealed[:0], w.plain, w.position, final)
	if w.err == nil {
		_, w.err = w.w.Write(w.sealed)
	}
	w.plain = w.plain[:0]
	w.position++
}
