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
	pair := testbed.MariaDBPair(t, testbed.Options{})
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
		s.SQL("ALTER USER app@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('rotated') REQUIRE X509")
	}
	password.Store("rotated")
	db.SetMaxIdleConns(0)
	if err := db.Ping(); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
}

func TestWhatTheDriverCanDoWorksThroughUs(t *testing.T) {
	t.Parallel()
	l := servers(t, Careful)
	l.config.Session = Session{ParseTime: true, Variables: map[string]string{"sql_mode": "'ANSI_QUOTES'"}}
	db := l.open(t)
	for name, try := range map[string]func() error{
		"session":   func() error { return expect(db, `SELECT @@sql_mode = 'ANSI_QUOTES'`, true) },
		"encrypted": func() error { return expect(db, `SELECT @@require_secure_transport`, true) },
		"parse time": func() error {
			return expect(db, `SELECT DATE'2024-02-29'`, time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC))
		},
		"high uint64":         func() error { return expect(db, `SELECT ?`, uint64(1<<63), uint64(1<<63)) },
		"context cancels":     func() error { return cancelled(db) },
		"isolation":           func() error { return isolated(db) },
		"several result sets": func() error { return resultSets(l, db) },
		"load data":           func() error { return loadData(db) },
		"raw driver access":   func() error { return raw(db) },
	} {
		if err := try(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func expect[T comparable](db *sql.DB, query string, want T, args ...any) error {
	var got T
	if err := db.QueryRow(query, args...).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return errors.New("wrong value")
	}
	return nil
}

func cancelled(db *sql.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "SELECT SLEEP(60)"); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return db.Ping()
}

func isolated(db *sql.DB) error {
	if _, err := db.Exec("CREATE TABLE untouched (id INT)"); err != nil {
		return err
	}
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("INSERT INTO untouched VALUES (1)"); !serverSaid(err, 1792) {
		return errors.New("a read-only transaction wrote")
	}
	return nil
}

func resultSets(l *live, db *sql.DB) error {
	l.pair.Servers[0].SQL("CREATE PROCEDURE app.two() BEGIN SELECT 1; SELECT 2; END")
	rows, err := db.Query("CALL two()")
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() || !rows.NextResultSet() || !rows.Next() {
		return errors.New("the second result set is missing")
	}
	return rows.Err()
}

func loadData(db *sql.DB) error {
	mysql.RegisterReaderHandler("three", func() io.Reader { return strings.NewReader("1\n2\n3\n") })
	defer mysql.DeregisterReaderHandler("three")
	if _, err := db.Exec("CREATE TABLE loaded (id INT)"); err != nil {
		return err
	}
	if _, err := db.Exec("LOAD DATA LOCAL INFILE 'Reader::three' INTO TABLE loaded"); err != nil {
		return err
	}
	return expect(db, "SELECT COUNT(*) FROM loaded", 3)
}

func raw(db *sql.DB) error {
	c, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(inner any) error {
		result, err := inner.(driverConn).Exec("DO 1", nil)
		if err != nil {
			return err
		}
		if _, ok := result.(mysql.Result); !ok {
			return errors.New("the driver's own result is hidden")
		}
		return nil
	})
}
