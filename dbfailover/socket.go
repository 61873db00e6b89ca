package dbfailover

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// tracked is the connector's hold on one network connection: it can cut it, and
// it hears of it when the line breaks.
type tracked struct {
	role  Role
	epoch uint64
	conn  net.Conn
	owner *sockets
	// wrote counts writes of which at least one byte left this process. That is
	// how Commit knows whether COMMIT was sent, whatever the driver says.
	wrote atomic.Uint64
}

// socket is what the driver gets as its network connection.
type socket struct {
	net.Conn
	*tracked
}

func (t *tracked) wrap() net.Conn {
	return withDescriptor(socket{Conn: t.conn, tracked: t}, t.conn)
}

func (s socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err != nil {
		s.broken(err)
	}
	return n, err
}

func (s socket) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if n > 0 {
		s.wrote.Add(1)
	}
	if err != nil {
		s.broken(err)
	}
	return n, err
}

func (s socket) Close() error {
	s.owner.forget(s.tracked)
	return s.Conn.Close()
}

// broken passes on that the line broke, unless we broke it: a switch closes
// connections, and the driver closes one under a statement whose context ended.
func (t *tracked) broken(err error) {
	if !errors.Is(err, net.ErrClosed) {
		t.owner.onBroken(t.role)
	}
}

// sockets knows every open connection that the application uses. Safe for
// concurrent use.
type sockets struct {
	onBroken func(Role) // called without locks held; must not block

	mu    sync.Mutex
	epoch uint64 // connections of earlier epochs are not let in
	open  map[*tracked]struct{}
}

func newSockets(onBroken func(Role)) *sockets {
	return &sockets{onBroken: onBroken, open: make(map[*tracked]struct{})}
}

// add takes in a new connection. One that was dialled before a switch and arrives
// after it is closed at once: nobody would come back to cut it.
func (s *sockets) add(conn net.Conn, role Role, epoch uint64) (*tracked, error) {
	t := &tracked{role: role, epoch: epoch, conn: conn, owner: s}
	s.mu.Lock()
	stale := epoch < s.epoch
	if !stale {
		s.open[t] = struct{}{}
	}
	s.mu.Unlock()
	if stale {
		_ = conn.Close()
		return nil, errCut
	}
	return t, nil
}

func (s *sockets) forget(t *tracked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t)
}

// cutBefore closes every connection of an epoch before this one, which frees
// statements that hang on them at once, and lets none in any more. When it
// returns, this process sends no byte to the old server on the application's
// behalf, and its kernel none that it still held.
func (s *sockets) cutBefore(epoch uint64) {
	s.mu.Lock()
	s.epoch = max(s.epoch, epoch)
	var old []*tracked
	for t := range s.open {
		if t.epoch < epoch {
			old = append(old, t)
			delete(s.open, t)
		}
	}
	s.mu.Unlock()
	for _, t := range old {
		abort(t.conn)
	}
}

func (s *sockets) count() (n [2]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.open {
		n[t.role]++
	}
	return n
}
