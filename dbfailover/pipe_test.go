package dbfailover

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// pipe returns two ends of an in-memory connection with a buffer. Its waits are
// on sync.Cond, which synctest understands; net.Pipe will not do, because without
// a buffer both ends of a failing TLS handshake wait for the other to read.
func pipe() (net.Conn, net.Conn) {
	a, b := newHalf(), newHalf()
	return &pipeEnd{in: a, out: b}, &pipeEnd{in: b, out: a}
}

type half struct {
	mu     sync.Mutex
	filled *sync.Cond
	data   []byte
	err    error // what a reader gets once data is used up
	closed bool
}

func newHalf() *half {
	h := &half{}
	h.filled = sync.NewCond(&h.mu)
	return h
}

func (h *half) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed, h.err = true, err
	}
	h.filled.Broadcast()
}

type pipeEnd struct {
	in, out *half
}

func (p *pipeEnd) Read(b []byte) (int, error) {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	for len(p.in.data) == 0 && !p.in.closed {
		p.in.filled.Wait()
	}
	if len(p.in.data) == 0 {
		return 0, p.in.err
	}
	n := copy(b, p.in.data)
	p.in.data = p.in.data[n:]
	return n, nil
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	if p.out.closed {
		return 0, syscall.EPIPE
	}
	p.out.data = append(p.out.data, b...)
	p.out.filled.Broadcast()
	return len(b), nil
}

// Close ends both directions: our own calls say "closed", the peer reads EOF.
func (p *pipeEnd) Close() error {
	p.in.end(net.ErrClosed)
	p.out.end(io.EOF)
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (p *pipeEnd) LocalAddr() net.Addr              { return pipeAddr{} }
func (p *pipeEnd) RemoteAddr() net.Addr             { return pipeAddr{} }
func (p *pipeEnd) SetDeadline(time.Time) error      { return nil }
func (p *pipeEnd) SetReadDeadline(time.Time) error  { return nil }
func (p *pipeEnd) SetWriteDeadline(time.Time) error { return nil }
