package dbfailover

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// A statement that waits in our kernel for a peer that does not read must not
// reach it after the switch.
func TestCutConnectionDeliversNothingMore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := newSockets(func(Role) {})
	line, err := s.add(withDescriptor(&greeted{Conn: raw, past: true}, raw), Primary, 1)
	if err != nil {
		t.Fatal(err)
	}
	near := line.wrap()
	defer near.Close()

	// Until both kernels hold as much as they take.
	_ = near.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	sent, chunk := 0, make([]byte, 1<<16)
	for err == nil {
		var n int
		n, err = near.Write(chunk)
		sent += n
	}
	s.cutBefore(2)

	got, err := io.Copy(io.Discard, server)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads to the end (%v), want a reset", err)
	}
	if got >= int64(sent) {
		t.Errorf("all %d bytes were delivered", sent)
	}
}

func TestCutGoesThroughWhateverIsWrapped(t *testing.T) {
	near, far := pipe() // can neither linger nor be unwrapped
	defer far.Close()
	abort(described{Conn: &greeted{Conn: near}})
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it was left open: %v", err)
	}
}
