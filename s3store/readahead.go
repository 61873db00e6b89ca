package s3store

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

const (
	firstAhead = 256 << 10
	maxAhead   = 4 << 20
)

// readAhead is an io.ReaderAt over the sealed bytes of an object. What is read from
// front to back is fetched in larger and larger blocks, the next while the present
// one is used; everything else, in exactly the ranges that are asked for. It holds
// two blocks at most, and the head of the object.
type readAhead struct {
	ctx   context.Context
	size  int64
	head  atomic.Pointer[[]byte]
	fetch func(ctx context.Context, p []byte, off int64) error

	workers sync.WaitGroup
	mu      sync.Mutex // held by who reads sequentially, also while it waits
	now     block
	next    *block // nil: none is on its way
	ahead   int
}

type block struct {
	off  int64
	data []byte
	done chan struct{} // closed when data and err are set
	err  error
}

func (b block) end() int64 { return b.off + int64(len(b.data)) }

// ReadAt implements io.ReaderAt.
func (r *readAhead) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), r.size-off)))
	if err := r.read(p[:n], off); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r *readAhead) read(p []byte, off int64) error {
	if head := r.head.Load(); head != nil && off < int64(len(*head)) {
		n := copy(p, (*head)[off:])
		p, off = p[n:], off+int64(n)
	}
	if len(p) == 0 {
		return nil
	}
	// Who finds the block in use is not the one who reads from front to back.
	if !r.mu.TryLock() {
		return r.fetch(r.ctx, p, off)
	}
	defer r.mu.Unlock()
	for len(p) > 0 {
		// A reader of segments begins again with the one it ended in.
		if off >= r.now.off && off < r.now.end() {
			n := copy(p, r.now.data[off-r.now.off:])
			p, off = p[n:], off+int64(n)
			continue
		}
		if off != r.now.end() || r.now.data == nil {
			return r.jump(p, off)
		}
		if err := r.advance(len(p)); err != nil {
			return err
		}
	}
	return nil
}

// jump fetches p alone, and keeps it: the next read may continue it.
func (r *readAhead) jump(p []byte, off int64) error {
	r.forget()
	if err := r.fetch(r.ctx, p, off); err != nil {
		return err
	}
	if len(p) <= maxAhead {
		r.now, r.ahead = block{off: off, data: append([]byte(nil), p...)}, firstAhead
	}
	return nil
}

// advance makes the block that follows the present one, and which must reach the
// end of need bytes if it can, the present one, and sends for another.
func (r *readAhead) advance(need int) error {
	if r.next == nil {
		r.send(r.now.end(), max(need, r.ahead))
	}
	<-r.next.done
	r.now, r.next = *r.next, nil
	if err := r.now.err; err != nil {
		r.now = block{}
		return err
	}
	r.ahead = min(2*r.ahead, maxAhead)
	if r.now.end() < r.size {
		r.send(r.now.end(), r.ahead)
	}
	return nil
}

func (r *readAhead) send(off int64, n int) {
	b := &block{off: off, data: make([]byte, min(int64(n), r.size-off)), done: make(chan struct{})}
	r.next = b
	r.workers.Go(func() {
		defer close(b.done)
		b.err = r.fetch(r.ctx, b.data, off)
	})
}

// forget drops what was fetched ahead. It waits for it, so that there is never more
// than one request ahead.
func (r *readAhead) forget() {
	if r.next != nil {
		<-r.next.done
	}
	r.now, r.next = block{}, nil
}

// reset drops what is held, as it may be damaged.
func (r *readAhead) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	r.head.Store(nil)
}

// wait is for Close: ctx must have ended.
func (r *readAhead) wait() { r.workers.Wait() }
