package dbfailover

import (
	"net"
	"syscall"
)

// descriptor is syscall.Conn under a name that can stand beside net.Conn.
type descriptor interface {
	SyscallConn() (syscall.RawConn, error)
}

// described is a connection that shows the file descriptor of one below it.
type described struct {
	net.Conn
	descriptor
}

// NetConn returns the connection without the descriptor.
func (d described) NetConn() net.Conn { return d.Conn }

// withDescriptor returns outer, able to show the file descriptor of inner where
// that has one. Without SyscallConn the driver skips, in silence, its check
// whether an idle connection is still alive (conncheck.go), and every pooled
// connection fails once after a crash.
func withDescriptor(outer, inner net.Conn) net.Conn {
	if system, ok := inner.(descriptor); ok {
		return described{outer, system}
	}
	return outer
}

// abort closes conn without delivering what is still on its way. Close alone lets
// the kernel go on for minutes: a statement written while the network was cut
// would reach the old server when it heals, long after the switch. With a linger
// of zero the kernel throws it away and resets the connection (RFC 9293 3.10.5),
// so that the server ends the session too.
func abort(conn net.Conn) {
	for inner := conn; inner != nil; {
		if tcp, ok := inner.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0)
			break
		}
		// As tls.Conn does it, so a tunnel of the application can take part.
		wrapper, ok := inner.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		inner = wrapper.NetConn()
	}
	_ = conn.Close()
}
