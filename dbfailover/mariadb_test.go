package dbfailover

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// These tests run against two real MariaDB servers and fail where those are
// required and missing; see package testbed.

// live is a connector between the two servers of a pair.
type live struct {
	pair   *testbed.Pair
	config Config
	c      *Connector
	db     *sql.DB
}

func servers(t *testing.T, timers Timers) *live {
	t.Helper()
	pair := testbed.NewPair(t, testbed.Options{MySQL: strings.HasPrefix(t.Name(), mysqlTests)})
	return &live{pair: pair, config: Config{
		Primary:   Server{Addr: pair.Servers[0].Addr, ServerName: pair.Servers[0].Name},
		Secondary: Server{Addr: pair.Servers[1].Addr, ServerName: pair.Servers[1].Name},
		Database:  pair.Database, TLS: pair.Authority.ClientTLS(), Topology: Independent, Timers: timers,
		Credentials: func(context.Context, Server) (Credentials, error) {
			return Credentials{User: pair.User, Password: NewPassword(pair.Password)}, nil
		},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}}
}

func (l *live) open(t *testing.T) *sql.DB {
	t.Helper()
	c, err := New(l.config)
	if err != nil {
		t.Fatal(err)
	}
	l.c, l.db = c, sql.OpenDB(c)
	t.Cleanup(func() { _ = l.db.Close() })
	return l.db
}

// where returns the id of the server that answers.
func (l *live) where(t *testing.T) (id int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // against hanging, not a measure
	defer cancel()
	if err := l.db.QueryRowContext(ctx, "SELECT @@server_id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// healthy waits until both servers have passed a check.
func (l *live) healthy(t *testing.T) {
	t.Helper()
	for range 3000 {
		s := l.c.Status()
		if s.Servers[Primary].Health == HealthOK && s.Servers[Secondary].Health == HealthOK {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the servers do not become well: %+v", l.c.Status())
}

func TestKillOfThePrimary(t *testing.T) {
	t.Parallel()
	l := servers(t, Fast)
	l.open(t)
	for range 5 {
		l.healthy(t)
		if err := l.c.Switch(t.Context(), Primary); err != nil {
			t.Fatal(err)
		}
		if id := l.where(t); id != 1 {
			t.Fatalf("answered by server %d", id)
		}
		l.pair.Servers[0].Kill()
		begin := time.Now()
		if id := l.where(t); id != 2 {
			t.Fatalf("answered by server %d", id)
		}
		t.Logf("fast: first good query %v after the server was gone", time.Since(begin))
		l.pair.Servers[0].Start()
	}
	if id := l.where(t); id != 2 {
		t.Errorf("the returned primary is used again: server %d", id)
	}
}

func TestQuickRestartIsRiddenOut(t *testing.T) {
	t.Parallel()
	l := servers(t, Careful)
	db := l.open(t)
	l.healthy(t)
	// Idle connections that the restart breaks: the driver's liveness check has
	// to find them, or each fails one query.
	var idle []*sql.Conn
	for range 5 {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	db.SetMaxIdleConns(len(idle))
	for _, c := range idle {
		_ = c.Close()
	}
	l.pair.Servers[0].Kill()
	l.pair.Servers[0].Start()
	for range 10 {
		if id := l.where(t); id != 1 {
			t.Fatalf("answered by server %d", id)
		}
	}
	if s := l.c.Status(); s.Epoch != 1 {
		t.Errorf("epoch %d: %s", s.Epoch, s.Reason)
	}
}

func TestFrozenPrimary(t *testing.T) {
	t.Parallel()
	l := servers(t, Fast)
	db := l.open(t)
	l.healthy(t)
	if _, err := db.Exec("CREATE TABLE note (id INT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO note VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	l.pair.Servers[0].Pause()
	begin := time.Now()
	err = tx.Commit()
	t.Logf("fast: hung COMMIT freed after %v", time.Since(begin))
	if !errors.Is(err, ErrCommitUnknown) || !errors.Is(err, mysql.ErrInvalidConn) {
		t.Errorf("got %v, want ErrCommitUnknown", err)
	}
	if id := l.where(t); id != 2 {
		t.Errorf("answered by server %d", id)
	}
	l.pair.Servers[0].Resume()
	l.healthy(t)
	if id := l.where(t); id != 2 {
		t.Errorf("a server that woke up is used again: server %d", id)
	}
}

func TestTooManyConnectionsIsNoFailure(t *testing.T) {
	t.Parallel()
	l := servers(t, Fast)
	db := l.open(t)
	l.healthy(t)
	for range 15 {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	l.pair.Servers[0].SQL("SET GLOBAL max_connections=10") // the lowest it accepts
	if _, err := db.Conn(t.Context()); !serverSaid(err, 1040) {
		t.Fatalf("got %v, want 1040", err)
	}
	// Until the checks have met it as well: every tenth logs in anew.
	for range 3000 {
		if l.c.Status().Servers[Primary].Health == HealthRefusing { // as it must, in the end
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s := l.c.Status()
	if s.Servers[Primary].Reason != "server error 1040" || s.Epoch != 1 || s.State != StatePrimary {
		t.Errorf("state %v, epoch %d, %+v", s.State, s.Epoch, s.Servers[Primary])
	}
}

func TestRotatedPasswordAndClientCertificate(t *testing.T) {
	t.Parallel()
	l := servers(t, Careful)
	var password atomic.Value
	password.Store(l.pair.Password)
	l.config.Credentials = func(context.Context, Server) (Credentials, error) {
		return Credentials{User: l.pair.User, Password: NewPassword(password.Load().(string))}, nil
	}
	withCert := l.config.TLS.Clone()
	withCert.Certificates = append(withCert.Certificates, l.pair.Authority.Leaf(t, "web1.test").TLS)

	for _, s := range l.pair.Servers {
		s.SQL("ALTER USER app@'127.0.0.1' REQUIRE X509")
	}
	db := l.open(t)
	if err := db.Ping(); !serverSaid(err, 1045) {
		t.Errorf("without a client certificate: got %v, want 1045", err)
	}
	_ = db.Close()
	l.config.TLS = withCert
	db = l.open(t)
	if err := db.Ping(); err != nil {
		t.Errorf("with a client certificate: %v", err)
	}
	for _, s := range l.pair.Servers {
		s.SQL("ALTER USER app@'127.0.0.1' " + s.Identified("rotated") + " REQUIRE X509")
	}
	password.Store("rotated")
	db.SetMaxIdleConns(0)
	if err := db.Ping(); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
}
