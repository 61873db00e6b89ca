package dbfailover

import (
	"context"
	"database/sql"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// rig is a connector between two fake servers, in a synctest bubble: time is
// fake, so an assertion about how long something takes is exact.
type rig struct {
	ca      *testbed.CA
	servers [2]*fake
	config  Config
	c       *Connector
	db      *sql.DB
	log     *logBook
}

// inBubble runs body with a rig whose connector has not been made yet, and takes
// everything down after it. A goroutine that is left over fails the test.
func inBubble(t *testing.T, timers Timers, body func(*testing.T, *rig)) {
	t.Helper()
	testbed.Bubble(t, func(t *testing.T) {
		r := newRig(t, timers)
		defer r.stop()
		body(t, r)
	})
}

func newRig(t *testing.T, timers Timers) *rig {
	r := &rig{ca: testbed.NewCA(t), log: &logBook{}}
	r.servers = [2]*fake{newFake(t, r.ca, "db1.test"), newFake(t, r.ca, "db2.test")}
	r.config = Config{
		Primary: Server{Addr: "db1.test:3306"}, Secondary: Server{Addr: "db2.test:3306"},
		TLS: r.ca.ClientTLS(), Topology: Independent, Timers: timers,
		Credentials: fixed("app"), Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Dial: r.dial,
	}
	return r
}

// stop returns when nothing of the rig runs any more.
func (r *rig) stop() {
	if r.db != nil {
		_ = r.db.Close()
	}
	for _, s := range r.servers {
		s.stop()
	}
}

func (r *rig) dial(ctx context.Context, addr string) (net.Conn, error) {
	if strings.HasPrefix(addr, "db1.") {
		return r.servers[0].dial(ctx)
	}
	return r.servers[1].dial(ctx)
}

// start makes the connector and waits until it has nothing left to do at once.
func (r *rig) start(t *testing.T) {
	t.Helper()
	r.open(t)
	synctest.Wait()
}

func (r *rig) open(t *testing.T) {
	t.Helper()
	c, err := New(r.config)
	if err != nil {
		t.Fatal(err)
	}
	r.c, r.db = c, sql.OpenDB(c)
}

// where asks a query and returns the name of the server that answered.
func (r *rig) where(ctx context.Context) (name string, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT 'where am I'").Scan(&name)
	return name, err
}

func (r *rig) mustBe(t *testing.T, want State, server string) {
	t.Helper()
	if got := r.c.Status().State; got != want {
		t.Fatalf("state %v, want %v", got, want)
	}
	if server == "" {
		return
	}
	if name, err := r.where(t.Context()); err != nil || name != server {
		t.Fatalf("answered by %q (%v), want %q", name, err, server)
	}
}

func fixed(user string) func(context.Context, Server) (Credentials, error) {
	return func(context.Context, Server) (Credentials, error) {
		return Credentials{User: user, Password: NewPassword("hunter2hunter2")}, nil
	}
}

// logBook keeps what was logged.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
