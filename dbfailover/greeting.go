package dbfailover

import (
	"bytes"
	"crypto/fips140"
	"errors"
	"io"
	"net"
)

// greeted is a connection whose first packet, the server's greeting, is looked at
// before the driver gets it. It is the one packet that travels before TLS, so it
// comes from anybody on the network, and the driver slices it without asking for
// its length: twenty bytes from a stranger would be a panic, on a goroutine of
// database/sql, and the end of the application.
type greeted struct {
	net.Conn
	held []byte // of the first packet, still to be read
	past bool   // the first packet has been taken in
	bad  error  // it was none; the driver reports any error as a broken line

	version string // of the server
}

var errGreeting = errors.New("dbfailover: what answers there does not greet as a MySQL or MariaDB server does")

// NetConn returns the connection below.
func (g *greeted) NetConn() net.Conn { return g.Conn }

func (g *greeted) Read(b []byte) (int, error) {
	if !g.past {
		if err := g.takeIn(); err != nil {
			return 0, err
		}
		g.past = true
	}
	if len(g.held) > 0 {
		n := copy(b, g.held)
		g.held = g.held[n:]
		return n, nil
	}
	return g.Conn.Read(b)
}

// longestGreeting is far above what servers send, and below what a stranger could
// make us keep.
const longestGreeting = 4096

// takeIn reads the first packet. A packet is le24(length) || sequence number ||
// body (MySQL client/server protocol, "MySQL Packets").
func (g *greeted) takeIn() error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(g.Conn, head); err != nil {
		return err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n > longestGreeting {
		g.bad = errGreeting
		return g.bad
	}
	packet := append(head, make([]byte, n)...)
	if _, err := io.ReadFull(g.Conn, packet[4:]); err != nil {
		return err
	}
	if !wellFormed(packet[4:]) {
		g.bad = errGreeting
		return g.bad
	}
	if body := packet[4:]; body[0] != 0xff {
		g.version = string(body[1:bytes.IndexByte(body, 0)])
	}
	if fips140.Enforced() {
		avoidSHA1(packet)
	}
	g.held = packet
	return nil
}

// wellFormed reports whether body is a refusal or a greeting that has every field
// ("ERR_Packet", "Protocol::HandshakeV10").
func wellFormed(body []byte) bool {
	// The greeting is 10, version, zero byte, connection id (4), then: challenge
	// (8), zero, capabilities (2), character set, status (2), capabilities (2),
	// challenge length, reserved (10), challenge (13); the plugin's name follows.
	const fixed = 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10 + 13
	// A refusal is 0xff, number (2), and either '#' and a state (5) or none.
	if len(body) < 4 {
		return false
	}
	if body[0] == 0xff {
		return body[3] != '#' || len(body) >= 9
	}
	version := bytes.IndexByte(body, 0)
	return version >= 0 && len(body) >= version+1+4+fixed
}

// MariaDB's greeting always proposes mysql_native_password, whatever the account
// uses, and the driver answers the proposal before the server names the account's
// own plugin. That answer takes SHA-1, which panics under GODEBUG=fips140=only.
// A client is free to answer with another plugin: the server then asks for the
// right one. Both names have 21 bytes, so the packet keeps its length.
var (
	nativePlugin = []byte("mysql_native_password\x00")
	sha2Plugin   = []byte("caching_sha2_password\x00")
)

func avoidSHA1(packet []byte) {
	if bytes.HasSuffix(packet, nativePlugin) {
		copy(packet[len(packet)-len(nativePlugin):], sha2Plugin)
	}
}
