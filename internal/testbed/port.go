package testbed

import (
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports come from below the range that Linux gives to outgoing connections
// (net.ipv4.ip_local_port_range, from 32768): a server that is killed and started
// again would otherwise now and then find its port taken by some client.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePort returns a loopback TCP port nobody listens on, and keeps it for this test until
// its end: tests run beside each other, also in several processes, and a server takes a
// second from the choice of its port to listening there. Strangers do not ask, but with
// 12,000 ports to choose from that has to be bad luck.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(firstPort + rand.IntN(lastPort-firstPort))
		if !reserve(t, port) {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		return port
	}
	t.Fatalf("no free loopback port between %d and %d", firstPort, lastPort)
	return ""
}

// reserve holds a lock on a file that stands for the port, for as long as the test runs.
func reserve(t testing.TB, port string) bool {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "hipaakit-testbed-port-"+port), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false // somebody else's
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return false
	}
	t.Cleanup(func() {
		_ = os.Remove(f.Name())
		_ = f.Close()
	})
	return true
}
