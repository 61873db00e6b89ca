package envelope

import "io"

// window is a stream of which as much can be seen at once as is asked for.
type window struct {
	next func(dst []byte) ([]byte, error) // appends; io.EOF with the last bytes
	buf  []byte
	at   int   // what is before it was read
	err  error // of next, sticky
}

// peek returns at least n unread bytes, fewer only with an error: io.EOF if there
// are no more. They are valid until the next call of shift.
func (w *window) peek(n int) ([]byte, error) {
	for len(w.buf)-w.at < n && w.err == nil {
		w.buf, w.err = w.next(w.buf)
	}
	if len(w.buf)-w.at < n {
		return w.buf[w.at:], w.err
	}
	return w.buf[w.at:], nil
}

// shift makes room for what comes. It waits until most was read, so that a byte is
// moved once at most.
func (w *window) shift() {
	if w.at > len(w.buf)/2 {
		w.buf = w.buf[:copy(w.buf, w.buf[w.at:])]
		w.at = 0
	}
}

// Read implements [io.Reader].
func (w *window) Read(p []byte) (int, error) {
	w.shift()
	b, err := w.peek(1)
	if len(b) == 0 {
		return 0, err
	}
	n := copy(p, b)
	w.at += n
	return n, nil
}

// ReadByte implements [io.ByteReader].
func (w *window) ReadByte() (byte, error) {
	b, err := w.peek(1)
	if len(b) == 0 {
		return 0, err
	}
	w.at++
	return b[0], nil
}

var _ io.ByteReader = (*window)(nil)
