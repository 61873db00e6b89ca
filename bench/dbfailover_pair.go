package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hipaakit/hipaakit/dbfailover"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// failoverBench is two MariaDB masters that replicate to each other, and whoever
// queries them.
type failoverBench struct {
	*bench
	host *host
	pair *testbed.Pair
	// path leads to the first server, and can be cut.
	path    *testbed.Proxy
	haproxy *haproxy // nil: not there
}

// benchPassword is that of servers which live as long as this run, on loopback.
const benchPassword = "of-a-server-for-minutes"

// profiles are measured as two applications, so that the quick one does not decide for
// the other.
var profiles = []struct {
	name   string
	timers dbfailover.Timers
}{
	{"Fast", dbfailover.Fast},
	{"Careful", dbfailover.Careful},
}

func (f *failoverBench) begin() (err error) {
	f.remark("dbfailover: starting two MariaDB servers")
	f.pair = testbed.MariaDBPair(f.host, testbed.Options{Replicated: true})
	f.path = testbed.NewProxy(f.host, f.pair.Servers[0].Addr)
	for _, p := range profiles {
		if err := f.install(f.app(p.timers)); err != nil {
			return err
		}
	}
	if f.haproxy, err = f.startHAProxy(); errors.Is(err, errNoHAProxy) {
		f.remark("dbfailover: haproxy is not measured: %v", err)
		err = nil
	}
	return err
}

// app is one application of ours; both have their primary on the first server.
func (f *failoverBench) app(t dbfailover.Timers) dbfailover.App {
	name := t.String()
	return dbfailover.App{
		Name: name, User: name + "_app", Schemas: []string{name}, Node: "bench", Folder: f.dir,
		Monitor: f.account(name + "_mon"),
	}
}

func (f *failoverBench) account(user string) func(context.Context, dbfailover.Server) (dbfailover.Credentials, error) {
	return func(context.Context, dbfailover.Server) (dbfailover.Credentials, error) {
		return dbfailover.Credentials{User: user, Password: dbfailover.NewPassword(benchPassword)}, nil
	}
}

// install does what an administrator does, on both servers.
func (f *failoverBench) install(a dbfailover.App) error {
	script, err := dbfailover.Statements(a, dbfailover.Install{PrimaryID: 1, Monitor: a.Name + "_mon@127.0.0.1"})
	if err != nil {
		return err
	}
	for _, s := range f.pair.Servers {
		statements := []string{"SET SESSION sql_log_bin=0", "CREATE DATABASE " + a.Name}
		for _, user := range []string{a.User, a.Name + "_mon"} {
			statements = append(statements, "CREATE USER "+user+"@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('"+benchPassword+"') REQUIRE SSL")
		}
		statements = append(statements, "GRANT ALL ON "+a.Name+".* TO "+a.User+"@'127.0.0.1'")
		s.SQL(append(statements, script...)...)
		s.BootWith(dbfailover.InitFile)
	}
	return nil
}

// connect opens ours, with the first server at addr, and waits until it serves.
func (f *failoverBench) connect(t dbfailover.Timers, addr string) (*dbfailover.Connector, *sql.DB, error) {
	one, two, app := f.pair.Servers[0], f.pair.Servers[1], f.app(t)
	c, err := dbfailover.New(dbfailover.Config{
		Primary:   dbfailover.Server{Addr: addr, ServerName: one.Name},
		Secondary: dbfailover.Server{Addr: two.Addr, ServerName: two.Name},
		Database:  app.Name, TLS: f.pair.Authority.ClientTLS(), Timers: t, Topology: dbfailover.Replicated, App: app,
		Credentials: f.account(app.User), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(c)
	return c, db, soon(func() error { return c.Ready() })
}

// bare opens the driver alone, over verified TLS.
func (f *failoverBench) bare(addr, name string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = f.pair.User, f.pair.Password, f.pair.Database
	cfg.Net, cfg.Addr, cfg.Logger = "tcp", addr, &mysql.NopLogger{}
	cfg.TLS = &tls.Config{RootCAs: f.pair.CA, ServerName: name, MinVersion: tls.VersionTLS12}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	return db, soon(db.Ping)
}

// soon repeats what has to become true; the limit is against hanging.
func soon(ready func() error) error {
	for limit := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := ready()
		if err == nil || time.Now().After(limit) {
			return wrapped(err)
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("it never came: %w", err)
}
