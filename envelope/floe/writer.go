package floe

import (
	"io"
	"slices"
	"sync"
)

// Writer seals a stream, a batch of segments at a time, on all cores. It holds a
// batch of plaintext and one of ciphertext, 4 MiB each (256 KiB on a single core), or
// one segment each where that is longer; less for a short stream. It is not safe
// for concurrent use, and uses no goroutine between calls.
type Writer struct {
	// Stop, if set, is asked before each batch; its error ends the stream. It is
	// where a context comes in.
	Stop func() error

	sealer   *Sealer
	out      sink
	batch    int     // plaintext bytes of a batch
	atOnce   int     // of what Finish takes straight from the caller's slice
	plain    []byte  // pending, at most a batch
	memory   *[]byte // of plain, from batches
	position uint64
	err      error // sticky: a stream with a hole must not be continued
}

// batches keeps the memory of writers that are done: to grow it for each message
// takes longer than to seal it.
var batches = sync.Pool{New: func() any { return new([]byte) }}

// NewWriter returns a Writer that writes segments to w. It does not write the
// header; its caller decides where [Sealer.Header] goes.
func NewWriter(w io.Writer, s *Sealer) *Writer { return newWriter(&writerSink{w: w}, s) }

func newWriter(out sink, s *Sealer) *Writer {
	batch := s.message.batchSegments() * s.PlainSegment()
	return &Writer{sealer: s, out: out, batch: batch, atOnce: batch}
}

// Write seals p. A full batch is kept back until more comes, since its last
// segment may be the final one.
func (w *Writer) Write(p []byte) (int, error) {
	written := 0
	for w.err == nil && len(p) > 0 {
		if len(w.plain) == 0 && len(p) > w.batch {
			// Straight from the caller's slice.
			w.seal(p[:w.batch], false)
			p, written = p[w.batch:], written+w.batch
			continue
		}
		if len(w.plain) == w.batch {
			w.seal(w.plain, false)
			w.plain = w.plain[:0]
			continue
		}
		if w.memory == nil {
			w.memory = batches.Get().(*[]byte)
			w.plain = (*w.memory)[:0]
		}
		n := min(len(p), w.batch-len(w.plain))
		w.plain = append(w.plain, p[:n]...)
		p, written = p[n:], written+n
	}
	return written, w.err
}

// Finish is Write of the last of the data, and Close, without keeping a copy of
// what may be the final segment.
func (w *Writer) Finish(p []byte) error {
	if len(w.plain) > 0 || w.err != nil {
		w.Write(p) // its error sticks, and Close repeats it
		return w.Close()
	}
	for w.err == nil && len(p) > w.atOnce {
		w.seal(p[:w.atOnce], false)
		p = p[w.atOnce:]
	}
	return w.end(p)
}

// Close writes the last segments. Without it the stream does not open: a writer
// that is merely dropped leaves what every reader calls truncated. It does not
// close the underlying writer. A second Close answers [ErrClosed].
func (w *Writer) Close() error { return w.end(w.plain) }

func (w *Writer) end(last []byte) error {
	if w.err != nil {
		return w.err
	}
	if w.seal(last, true); w.err != nil {
		return w.err
	}
	if w.memory != nil {
		*w.memory = w.plain[:0]
		batches.Put(w.memory)
	}
	w.out.release()
	w.plain, w.memory, w.err = nil, nil, ErrClosed
	return nil
}

func (w *Writer) seal(plain []byte, final bool) {
	// Where it stays if the sink panics: who recovers must not go on behind a hole.
	w.err = errInterrupted
	w.err = w.sealBatch(plain, final)
}

func (w *Writer) sealBatch(plain []byte, final bool) error {
	if w.Stop != nil {
		if err := w.Stop(); err != nil {
			return err
		}
	}
	n := w.sealer.count(len(plain), final)
	room := w.out.room(len(plain) + n*SegmentOverhead)
	sealed, err := w.sealer.SealAll(room, plain, w.position, final)
	if err != nil {
		return err
	}
	w.position += uint64(n)
	return w.out.commit(sealed)
}

// sink takes sealed batches. room returns an empty slice with space for n bytes;
// commit takes it back, filled; release ends it.
type sink interface {
	room(n int) []byte
	commit(sealed []byte) error
	release()
}

type writerSink struct {
	w   io.Writer
	buf *[]byte // from batches
}

func (s *writerSink) room(n int) []byte {
	if s.buf == nil {
		s.buf = batches.Get().(*[]byte)
	}
	*s.buf = slices.Grow((*s.buf)[:0], n)
	return *s.buf
}

func (s *writerSink) release() {
	if s.buf != nil {
		batches.Put(s.buf)
		s.buf = nil
	}
}

func (s *writerSink) commit(sealed []byte) error {
	n, err := s.w.Write(sealed)
	if err == nil && n != len(sealed) {
		err = io.ErrShortWrite // what follows would stand in the wrong place
	}
	return err
}

// Appender is a [Writer] into a slice: what it seals is never copied.
type Appender struct {
	Writer
	slice sliceSink
}

// NewAppender returns an Appender whose segments follow the bytes of dst.
func NewAppender(dst []byte, s *Sealer) *Appender {
	a := &Appender{slice: sliceSink{dst}}
	a.Writer = *newWriter(&a.slice, s)
	a.atOnce *= straight
	return a
}

// Bytes returns dst with the segments that were sealed so far.
func (a *Appender) Bytes() []byte { return a.slice.dst }

type sliceSink struct{ dst []byte }

func (s *sliceSink) room(n int) []byte {
	s.dst = slices.Grow(s.dst, n)
	return s.dst[len(s.dst):]
}

func (s *sliceSink) release() {}

func (s *sliceSink) commit(sealed []byte) error {
	s.dst = s.dst[:len(s.dst)+len(sealed)]
	return nil
}
