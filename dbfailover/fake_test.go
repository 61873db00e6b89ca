package dbfailover

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// fake is a server that speaks just enough of the MySQL protocol (greeting, TLS,
// login, COM_QUERY with one text row, COM_PING) to be failed over from, inside a
// synctest bubble. Statements it does not know succeed.
type fake struct {
	name string

	mu      sync.Mutex
	changed *sync.Cond
	tls     *tls.Config
	down    bool   // refuses connections
	frozen  bool   // accepts them and answers nothing
	errno   uint16 // greets with this error
	limit   int    // greets with 1040 while more connections are open; 0: none
	commit  uint16 // answers COMMIT with this error
	user    string // the one that may log in
	torn    int    // so many logins get a challenge that ends in a zero byte
	conns   map[net.Conn]struct{}
	refused int      // logins with a wrong user
	seen    []string // statements of the application, in order of arrival
	gone    sync.WaitGroup
}

func newFake(t testing.TB, ca *testbed.CA, name string) *fake {
	f := &fake{name: name, user: "app", tls: ca.Leaf(t, name).ServerTLS(), conns: map[net.Conn]struct{}{}}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// set changes the server's behaviour and wakes up what waits for it.
func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	f.changed.Broadcast()
}

// kill ends every connection and refuses new ones, as SIGKILL does.
func (f *fake) kill() {
	f.set(func(f *fake) {
		f.down = true
		for c := range f.conns {
			_ = c.Close()
		}
	})
}

func (f *fake) restart() { f.set(func(f *fake) { f.down, f.frozen = false, false }) }
func (f *fake) freeze()  { f.set(func(f *fake) { f.frozen = true }) }

// stop is for the end of a test: it waits until nothing runs any more.
func (f *fake) stop() {
	f.kill()
	f.gone.Wait()
}

func (f *fake) statements() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.seen...)
}

func (f *fake) refusals() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

func (f *fake) dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	}
	near, far := pipe()
	f.conns[far] = struct{}{}
	f.gone.Go(func() {
		_ = f.serve(far)
		f.set(func(f *fake) { delete(f.conns, far) })
		_ = far.Close()
	})
	return near, nil
}

// thaw returns when the server is not frozen, or dead.
func (f *fake) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.frozen && !f.down {
		f.changed.Wait()
	}
}

// Capabilities: long password, connect with database, protocol 4.1, TLS,
// transactions, secure connection, plugin authentication, length-encoded login.
const fakeCapabilities = 0x1 | 0x8 | 0x200 | 0x800 | 0x2000 | 0x8000 | 0x80000 | 0x200000

func (f *fake) serve(raw net.Conn) error {
	f.thaw()
	f.mu.Lock()
	config, errno := f.tls, f.errno
	if f.limit > 0 && len(f.conns) > f.limit {
		errno = 1040
	}
	f.mu.Unlock()
	if errno != 0 {
		return send(raw, 0, errorPacket(errno))
	}
	if err := send(raw, 0, greeting()); err != nil {
		return err
	}
	if _, _, err := receive(raw); err != nil { // the request for TLS
		return err
	}
	conn := tls.Server(raw, config)
	seq, login, err := receive(conn)
	if err != nil {
		return err
	}
	f.thaw()
	if f.tears() {
		return send(conn, seq+1, tornChallenge)
	}
	if !f.admit(login) {
		return send(conn, seq+1, errorPacket(errAccessDenied))
	}
	if err := send(conn, seq+1, okPacket); err != nil {
		return err
	}
	return f.commands(conn)
}

func (f *fake) tears() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.torn--
	return f.torn >= 0
}

func (f *fake) admit(login []byte) bool {
	user, _, _ := strings.Cut(string(login[32:]), "\x00")
	f.mu.Lock()
	defer f.mu.Unlock()
	if user != f.user {
		f.refused++
	}
	return user == f.user
}

func (f *fake) commands(conn net.Conn) error {
	for {
		_, packet, err := receive(conn)
		if err != nil || packet[0] == 1 { // COM_QUIT
			return err
		}
		statement := string(packet[1:])
		if packet[0] == 3 && statement != probeQuery {
			f.set(func(f *fake) { f.seen = append(f.seen, statement) })
		}
		f.thaw()
		switch {
		case packet[0] == 3 && statement == probeQuery:
			err = sendRow(conn, "0")
		case packet[0] == 3 && strings.HasPrefix(statement, "SELECT"):
			err = sendRow(conn, f.name)
		case packet[0] == 3 && strings.HasPrefix(statement, "LOAD DATA LOCAL"):
			if err = send(conn, 1, []byte("\xfbReader::"+f.name)); err == nil {
				_, _, err = receive(conn)
			}
		default:
			err = send(conn, 1, f.outcome(statement))
		}
		if err != nil {
			return err
		}
	}
}

func (f *fake) outcome(statement string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if statement == "COMMIT" && f.commit != 0 {
		return errorPacket(f.commit)
	}
	return okPacket
}

var (
	okPacket  = []byte{0, 0, 0, 2, 0, 0, 0}
	eofPacket = []byte{0xfe, 0, 0, 2, 0}
	// "Protocol::AuthSwitchRequest", with 31 bytes and the zero that make 32.
	tornChallenge = []byte("\xfeclient_ed25519\x00" + strings.Repeat("x", 31) + "\x00")
)

func errorPacket(errno uint16) []byte {
	return append([]byte{0xff, byte(errno), byte(errno >> 8)}, "#HY000PATIENT NAME"...)
}

func greeting() []byte {
	b := append([]byte{10}, "8.0.0-fake\x00"...)
	b = append(b, 1, 0, 0, 0)        // connection id
	b = append(b, "12345678\x00"...) // first part of the challenge
	b = append(b, fakeCapabilities&0xff, fakeCapabilities>>8&0xff)
	b = append(b, 45, 2, 0) // character set, status
	b = append(b, fakeCapabilities>>16&0xff, 0, 21)
	b = append(b, make([]byte, 10)...)   // reserved
	b = append(b, "901234567890\x00"...) // second part
	return append(b, "caching_sha2_password\x00"...)
}

// sendRow answers with a result set of one column and one row.
func sendRow(conn net.Conn, value string) error {
	column := []byte{3, 'd', 'e', 'f', 0, 0, 0, 1, 'x', 0, 12, 45, 0, 0, 1, 0, 0, 0xfd, 0, 0, 0, 0, 0}
	row := append([]byte{byte(len(value))}, value...)
	var all bytes.Buffer
	for i, packet := range [][]byte{{1}, column, eofPacket, row, eofPacket} {
		_ = send(&all, byte(i+1), packet)
	}
	_, err := conn.Write(all.Bytes())
	return err
}

// A packet is le24(length) || sequence number || body.
func send(w io.Writer, seq byte, body []byte) error {
	packet := binary.LittleEndian.AppendUint32(nil, uint32(len(body))|uint32(seq)<<24)
	_, err := w.Write(append(packet, body...))
	return err
}

func receive(r io.Reader) (seq byte, body []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[:]) & 0xffffff
	if n == 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	body = make([]byte, n)
	_, err = io.ReadFull(r, body)
	return head[3], body, err
}
