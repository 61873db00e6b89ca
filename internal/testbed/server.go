package testbed

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Server is one server of a [Pair]. Its methods fail the test that
// created the pair, so they belong to that test's goroutine.
type Server struct {
	// Addr is host:port, the same before and after a restart.
	Addr string
	// Name is the DNS name that only this server's certificate carries.
	Name string
	// ID is the server's number, 1 or 2.
	ID int

	t      testing.TB
	engine engine
	acct   account
	ca     *CA
	dir    string
	config string
	proc   *process
	root   *sql.DB
}

func newServer(t testing.TB, engine engine, acct account, ca *CA, base string, id int) *Server {
	t.Helper()
	port := freePort(t)
	s := &Server{
		Addr: net.JoinHostPort("127.0.0.1", port),
		Name: fmt.Sprintf("db%d.test", id),
		ID:   id,
		t:    t, engine: engine, acct: acct, ca: ca,
		dir: acct.sub(t, base, strconv.Itoa(id)),
	}
	leaf := ca.Leaf(t, s.Name, "localhost", "127.0.0.1")
	acct.sub(t, s.dir, "data")
	acct.sub(t, s.dir, "tmp")
	acct.file(t, s.dir, "ca.pem", ca.PEM)
	acct.file(t, s.dir, "cert.pem", leaf.CertPEM)
	acct.file(t, s.dir, "key.pem", leaf.KeyPEM)
	s.BootWith("DO 1;\n")
	s.config = acct.file(t, s.dir, "my.cnf", []byte(engine.config(s.dir, port, id)))
	s.root = s.rootDB()
	t.Cleanup(func() {
		_ = s.root.Close()
		if s.proc != nil {
			s.proc.end(t, syscall.SIGKILL)
		}
	})
	return s
}

// rootDB talks through the Unix socket, which counts as secure
// transport. It keeps no idle connection: each use must see the server as it is.
func (s *Server) rootDB() *sql.DB {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "unix", filepath.Join(s.dir, "s")
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		s.t.Fatalf("describe the root connection: %v", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(0)
	return db
}

// Start runs the server and returns when it answers. It is also how a server
// comes back after [Server.Kill] or [Server.Stop], on the same port and data.
func (s *Server) Start() {
	s.t.Helper()
	if s.proc != nil && !s.proc.gone() {
		s.t.Fatalf("server %d is running already", s.ID)
	}
	cmd := s.engine.command(s.config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.acct.credential()}
	proc, err := launch(cmd)
	if err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
	s.proc = proc
	if err := proc.await(s.root.Ping); err != nil {
		s.t.Fatalf("server %d: %v\n%s", s.ID, err, readTail(filepath.Join(s.dir, "err.log")))
	}
}

// Revive starts the server if it has given up by itself, as MySQL does where its binary
// log cannot be written (binlog_error_action=ABORT_SERVER).
func (s *Server) Revive() {
	s.t.Helper()
	if s.proc.gone() {
		s.Start()
	}
}

// Kill ends the server as a crash would (SIGKILL) and waits until it is gone.
func (s *Server) Kill() { s.t.Helper(); s.proc.end(s.t, syscall.SIGKILL) }

// Stop shuts the server down in order (SIGTERM) and waits until it is gone.
func (s *Server) Stop() { s.t.Helper(); s.proc.end(s.t, syscall.SIGTERM) }

// Terminate begins what [Server.Stop] waits for, which takes MySQL ten seconds.
func (s *Server) Terminate() { s.t.Helper(); s.proc.signal(s.t, syscall.SIGTERM) }

// Pause freezes the server (SIGSTOP): the kernel goes on accepting connections
// for it, and nothing is ever answered. A thread on another core may go on for a moment
// after the signal: Pause returns once all of them stand still.
func (s *Server) Pause() {
	s.t.Helper()
	s.proc.signal(s.t, syscall.SIGSTOP)
	if err := s.proc.await(s.proc.stopped); err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
}

// Resume lets a paused server go on where it was.
func (s *Server) Resume() { s.t.Helper(); s.proc.signal(s.t, syscall.SIGCONT) }

// SQL runs the statements in order as root, in one session.
func (s *Server) SQL(statements ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := s.root.Conn(ctx)
	if err != nil {
		s.t.Fatalf("server %d: root session: %v", s.ID, err)
	}
	defer conn.Close()
	for i, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			// By number, not by text: a statement may carry a password.
			s.t.Fatalf("server %d: statement %d of %d: %v", s.ID, i+1, len(statements), err)
		}
	}
}

// Root is a handle with every right on this server, closed with the test.
func (s *Server) Root() *sql.DB { return s.root }
