package testbed

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports come from below the range that Linux gives to outgoing connections
// (net.ipv4.ip_local_port_range, from 32768): a server that is killed and started
// again would otherwise now and then find its port taken by some client.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePort returns a loopback TCP port nobody listens on. Somebody could take it
// before the caller does; with 12,000 ports to choose from that has to be bad luck.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(firstPort + rand.IntN(lastPort-firstPort))
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
