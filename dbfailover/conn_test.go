package dbfailover

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"reflect"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// What database/sql looks for in a connection, by type assertion: what it does
// not find it does worse, in silence.
var (
	_ driver.Conn               = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.Connector          = (*Connector)(nil)
	_ io.Closer                 = (*Connector)(nil)
)

// The driver may grow a method in a later version; then this fails and somebody
// decides whether it has to be wrapped.
func TestWrappingLosesNoMethodOfTheDriver(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.start(t)
		wrapped, err := r.c.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer wrapped.Close()
		ours := reflect.TypeOf(wrapped)
		theirs := reflect.TypeOf(wrapped.(*conn).driverConn)
		for i := range theirs.NumMethod() {
			if name := theirs.Method(i).Name; !has(ours, name) {
				t.Errorf("%v.%s is lost", theirs, name)
			}
		}
	})
}

func has(t reflect.Type, method string) bool {
	_, ok := t.MethodByName(method)
	return ok
}

func TestDriverCanStillCheckIdleConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	line, err := newSockets(func(Role) {}).add(raw, Primary, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := line.wrap()
	defer s.Close()
	system, ok := s.(syscall.Conn)
	if !ok {
		t.Fatalf("%T does not show its file descriptor", s)
	}
	if _, err := system.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	near, far := pipe()
	defer far.Close()
	plain, err := newSockets(func(Role) {}).add(near, Primary, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plain.wrap().(syscall.Conn); ok {
		t.Error("a connection without a file descriptor claims to have one")
	}
}

func TestBrokenLineIsReportedButNotOurOwnClosing(t *testing.T) {
	for _, c := range []struct {
		what   string
		break_ func(*sockets, net.Conn, net.Conn)
		want   int
	}{
		{"closed by the server", func(_ *sockets, _, far net.Conn) { far.Close() }, 1},
		{"closed by the driver", func(_ *sockets, near, _ net.Conn) { near.Close() }, 0},
		{"cut by a switch", func(s *sockets, _, _ net.Conn) { s.cutBefore(2) }, 0},
	} {
		reports := 0
		s := newSockets(func(Role) { reports++ })
		raw, far := pipe()
		line, err := s.add(raw, Primary, 1)
		if err != nil {
			t.Fatal(err)
		}
		near := line.wrap()
		c.break_(s, near, far)
		if _, err := near.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: read something", c.what)
		}
		if reports != c.want {
			t.Errorf("%s: %d reports, want %d", c.what, reports, c.want)
		}
		near.Close()
		far.Close()
		if n := s.count(); n != [2]int{} {
			t.Errorf("%s: still counted: %v", c.what, n)
		}
	}
}

func TestConnectionDialledBeforeASwitchIsNotLetIn(t *testing.T) {
	s := newSockets(func(Role) {})
	s.cutBefore(5)
	near, far := pipe()
	if _, err := s.add(near, Primary, 4); err != errCut {
		t.Fatalf("got %v", err)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("it was left open: %v", err)
	}
}

// An attacker in between strips the TLS flag from the greeting, or answers the
// request for TLS with a certificate of his own, and hopes for a login.
func TestNothingIsSentToAServerThatIsNotVerified(t *testing.T) {
	ca := testbed.NewCA(t)
	for name, attack := range map[string]func(net.Conn) io.Reader{
		"no TLS offered": func(c net.Conn) io.Reader {
			plain := bytes.Replace(greeting(), []byte{fakeCapabilities & 0xff, fakeCapabilities >> 8 & 0xff},
				[]byte{fakeCapabilities & 0xff, (fakeCapabilities &^ 0x800) >> 8 & 0xff}, 1)
			_ = send(c, 0, plain)
			return c
		},
		"twenty bytes instead of a greeting": func(c net.Conn) io.Reader {
			_ = send(c, 0, append([]byte{10}, make([]byte, 15)...))
			return c
		},
		"foreign certificate": func(c net.Conn) io.Reader {
			_ = send(c, 0, greeting())
			_, _, _ = receive(c)
			return tls.Server(c, testbed.NewCA(t).Leaf(t, "127.0.0.1").ServerTLS())
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			heard := make(chan []byte, 1)
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				said, _ := io.ReadAll(bufio.NewReader(attack(c)))
				heard <- said
			}()
			cfg := good()
			cfg.Primary, cfg.TLS = Server{Addr: l.Addr().String()}, ca.ClientTLS()
			checked, err := cfg.normal()
			if err != nil {
				t.Fatal(err)
			}
			end, err := newEndpoint(&checked, Primary)
			if err != nil {
				t.Fatal(err)
			}
			creds, _ := fixed("app")(t.Context(), Server{})
			_, err = end.login(t.Context(), creds, keepAsIs)
			if health, _ := judge(err); health != HealthRefusing {
				t.Errorf("got %v (%v), want a refusal", err, health)
			}
			if said := <-heard; len(said) != 0 {
				t.Errorf("the attacker heard %q", said)
			}
		})
	}
}

func keepAsIs(c net.Conn) (net.Conn, error) { return c, nil }

// strangerEndpoint leads to somebody who says the given bytes and hangs up.
func strangerEndpoint(t *testing.T, said []byte) *endpoint {
	t.Helper()
	cfg := good()
	cfg.Dial = func(context.Context, string) (net.Conn, error) {
		near, far := pipe()
		_, _ = far.Write(said)
		far.(*pipeEnd).out.end(io.EOF)
		return near, nil
	}
	cfg, err := cfg.normal()
	if err != nil {
		t.Fatal(err)
	}
	end, err := newEndpoint(&cfg, Primary)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func TestErrBadConnNeverLeavesConnect(t *testing.T) {
	if err := named(Primary, driver.ErrBadConn); errors.Is(err, driver.ErrBadConn) {
		t.Error("the pool would take it as leave to try again")
	}
	if err := named(Primary, mysql.ErrInvalidConn); !errors.Is(err, mysql.ErrInvalidConn) {
		t.Error("the driver's error is hidden")
	}
}
