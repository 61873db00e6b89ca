package diskcache

import (
	"errors"
	"fmt"
	"io/fs"
)

const (
	// streamChunk is the plaintext in a chunk of a stream. A fifth of the speed of
	// larger ones is given for ranges that cost a quarter.
	streamChunk = 256 << 10

	// heldBytes are kept in memory before a stream gets a file: what is smaller is
	// put like anything else.
	heldBytes = 1 << 20
)

// Writer puts an entry whose data come in pieces: what is being uploaded or
// downloaded is written to it as well. It needs some 2 MiB of memory, however long
// the stream is. Nothing is cached before Commit has returned nil, and nothing is left of
// it after Abort, Close of the cache, or the end of the process, but for space that is
// reclaimed.
//
// A Writer is for one goroutine, beside which all of the cache may be used. It must be
// ended by Commit or Abort: until then, its space on disk cannot be reclaimed.
type Writer struct {
	c       *Cache
	key     string
	hash    uint64
	fence   Fence
	size    int64 // declared; -1: unknown
	written int64
	buf     []byte
	spool   *spool // nil: all is in buf
	sc      scratch
	err     error // sticky; errEnded after Commit and Abort
}

var errEnded = fmt.Errorf("diskcache: the Writer has ended: %w", fs.ErrClosed)

// Create begins to put an entry of size bytes, or of a length not known yet if size is
// negative. f is as in [Cache.Put]: captured before the data were asked for, or before
// the upload began.
//
// Errors are those of [Cache.Put]; nothing has changed, then.
func (c *Cache) Create(key string, size int64, f Fence) (*Writer, error) {
	if err := checkEntry(key, Meta{}); err != nil {
		return nil, err
	}
	if c.closed.Load() {
		return nil, ErrClosed
	}
	hash := c.hash(key)
	if !c.clock.holds(hash, f) {
		c.fenced.Add(1)
		return nil, ErrFenced
	}
	w := &Writer{c: c, key: key, hash: hash, fence: f, size: size}
	if size >= 0 && size <= heldBytes {
		w.buf = make([]byte, 0, size)
	}
	return w, nil
}

// Write implements [io.Writer]. Until the Writer has ended it never fails, since a
// cache that cannot keep a stream is no reason to stop an upload: what happened is
// Commit's answer, and further Writes cost nothing.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err == errEnded {
		return 0, w.err
	}
	if w.err == nil {
		w.take(p)
	}
	return len(p), nil
}

// take is Write, with its error in w.err.
func (w *Writer) take(p []byte) {
	if !w.c.enter() {
		w.err = ErrClosed
		return
	}
	defer w.c.leave()
	if w.err = w.write(p); w.err != nil {
		w.drain()
	}
	w.written += int64(len(p))
}

func (w *Writer) write(p []byte) error {
	if w.size >= 0 && w.written+int64(len(p)) > w.size {
		return fmt.Errorf("%w: over %d bytes", ErrIncomplete, w.size)
	}
	if w.spool == nil && len(w.buf)+len(p) <= heldBytes {
		w.buf = append(w.buf, p...)
		return nil
	}
	if !w.c.clock.holds(w.hash, w.fence) {
		return ErrFenced // asked again by Commit; here it saves the work
	}
	if w.spool == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	// What may be the last chunk stays in buf: its seal says that it is.
	for len(w.buf)+len(p) > streamChunk {
		chunk := p
		if len(w.buf) > 0 {
			n := max(0, streamChunk-len(w.buf))
			w.buf, p = append(w.buf, p[:n]...), p[n:]
			chunk = w.buf
		}
		if err := w.spill(chunk[:streamChunk], false); err != nil {
			return err
		}
		if len(w.buf) > 0 {
			w.buf = append(w.buf[:0], w.buf[streamChunk:]...)
		} else {
			p = p[streamChunk:]
		}
	}
	w.buf = append(w.buf, p...)
	return nil
}

// begin gives the stream a file.
func (w *Writer) begin() error {
	d := w.c.disk
	q := d.policy.admit(w.hash, int(w.c.entries.Load()))
	return d.guard(func() (err error) {
		w.spool, err = d.spool(q, 0) // how well it compresses is not known
		return err
	})
}

// spill compresses, seals and writes one chunk.
func (w *Writer) spill(chunk []byte, last bool) error {
	d := w.c.disk
	if w.c.ready() {
		d.tend(int64(len(chunk)))
		defer d.tended(int64(len(chunk)))
	}
	var r record // of this chunk alone
	body := encode(&r, chunk, &w.sc)
	if w.tooLarge(int64(len(body)), int64(len(chunk))) {
		return fmt.Errorf("%w: of the %d bytes of the stream more would be left than %d", ErrTooLarge, w.size, d.limit/2)
	}
	return d.guard(func() error { return d.spill(w.spool, r.codec, body, last) })
}

// tooLarge reports whether the stream, as well as it has compressed so far, will be
// over what is kept of one entry: half of the cache would be evicted before that is
// found out. sealed and plain are those of the next chunk.
func (w *Writer) tooLarge(sealed, plain int64) bool {
	sp := w.spool
	sealed, plain = sealed+sp.size, plain+int64(len(sp.lens)/4)*streamChunk
	return w.size > 0 && float64(sealed)/float64(plain)*float64(w.size) > float64(w.c.disk.limit/2)
}

// Commit makes the entry current, if everything declared has been written and the
// fence holds; it is then as if it had been put at this moment. m may be known now
// only: S3 tells the version when the upload is done.
//
// Errors are those of [Cache.Put], and as there what was cached before is then
// forgotten unless it is [ErrFenced] or [ErrClosed]; so also after [ErrIncomplete].
func (w *Writer) Commit(m Meta) error {
	if w.err == errEnded {
		return w.err
	}
	if !w.c.enter() {
		w.err = errEnded
		return ErrClosed
	}
	defer w.c.leave()
	err := w.c.counted(w.hash, func() error { return w.commit(m) })
	w.drain()
	w.err = errEnded
	return err
}

func (w *Writer) commit(m Meta) error {
	err := w.err
	switch {
	case err != nil:
	case w.size >= 0 && w.written != w.size:
		err = fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, w.written, w.size)
	case w.spool == nil:
		return w.c.put(w.hash, w.key, NewView(w.exact()), m, w.fence)
	default:
		err = w.publish(m)
	}
	if err != nil && !errors.Is(err, ErrClosed) {
		w.c.void(w.hash, w.fence) // if the fence holds
	}
	return err
}

// exact returns the data without room to grow: they stay in memory.
func (w *Writer) exact() []byte {
	if cap(w.buf)-len(w.buf) > len(w.buf)/8 {
		return append(make([]byte, 0, len(w.buf)), w.buf...)
	}
	return w.buf
}

// Abort ends the Writer; what was cached before stays. After Commit it does
// nothing, so it can be deferred.
func (w *Writer) Abort() {
	if w.err == errEnded {
		return
	}
	w.err = errEnded
	if w.c.enter() {
		defer w.c.leave()
		w.drain()
	}
}

// drain gives back what the stream took.
func (w *Writer) drain() {
	if w.spool != nil {
		w.c.disk.discard(w.spool)
	}
	w.spool, w.buf, w.sc = nil, nil, scratch{}
}
