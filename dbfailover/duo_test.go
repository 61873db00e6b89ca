package dbfailover

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// duo is two replicated servers that two applications share: north has its primary on
// server 1, south on server 2.
type duo struct {
	copied  string // server 1, by copyServer1
	pair    *testbed.Pair
	flavour Flavour
	apps    map[string]App
}

const duoPassword = "correct-horse-battery"

func newDuo(t testing.TB, o testbed.Options) *duo {
	t.Helper()
	o.Replicated = true
	d := &duo{apps: map[string]App{}}
	if strings.HasPrefix(t.Name(), mysqlTests) {
		o.MySQL, d.flavour = true, MySQL
	}
	d.pair = testbed.NewPair(t, o)
	for i, name := range []string{"north", "south"} {
		d.apps[name] = App{
			Name: name, User: name + "_app", Schemas: []string{name, name + "_log"},
			Folder: t.TempDir(), Monitor: login(name + "_mon"),
		}
		d.install(t, d.apps[name], uint32(i+1))
		d.pair.Servers[i].SQL("CALL hipaakit.unfence_" + name + "(1)") // as web nodes do
	}
	return d
}

func login(user string) func(context.Context, Server) (Credentials, error) {
	return func(context.Context, Server) (Credentials, error) {
		return Credentials{User: user, Password: NewPassword(duoPassword)}, nil
	}
}

// install does what an administrator does, on both servers.
func (d *duo) install(t testing.TB, a App, primary uint32) {
	t.Helper()
	script, err := Statements(a, Install{PrimaryID: primary, Monitor: a.Name + "_mon@127.0.0.1", Flavour: d.flavour})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range d.pair.Servers {
		statements := []string{"SET SESSION sql_log_bin=0"}
		for _, user := range []string{a.User, a.Name + "_mon"} {
			statements = append(statements, "CREATE USER "+user+"@'127.0.0.1' "+s.Identified(duoPassword)+" REQUIRE SSL")
		}
		for _, schema := range a.Schemas {
			statements = append(statements, "CREATE DATABASE "+schema, "GRANT ALL ON "+schema+".* TO "+a.User+"@'127.0.0.1'")
		}
		s.SQL(append(statements, script...)...)
		s.BootWith(InitFile)
	}
}

// config is what a web node of the application has.
func (d *duo) config(name string, timers Timers) Config {
	a := d.apps[name]
	first, second := d.pair.Servers[0], d.pair.Servers[1]
	if name == "south" {
		first, second = second, first
	}
	return Config{
		Primary:   Server{Addr: first.Addr, ServerName: first.Name},
		Secondary: Server{Addr: second.Addr, ServerName: second.Name},
		Database:  name, TLS: d.pair.Authority.ClientTLS(), Timers: timers,
		Credentials: login(a.User), Logger: slog.New(slog.DiscardHandler),
	}
}

// station opens the monitor's station of an application on server 1 or 2.
func (d *duo) station(t testing.TB, name string, id int) *server {
	t.Helper()
	a := d.apps[name]
	a.Node = "test"
	s := &server{end: d.endpoint(t, name, id, "", a.Monitor), app: a}
	t.Cleanup(s.leave)
	return s
}

func (d *duo) endpoint(t testing.TB, name string, id int, schema string, who func(context.Context, Server) (Credentials, error)) *endpoint {
	t.Helper()
	cfg := d.config(name, Fast)
	cfg.Primary = Server{Addr: d.pair.Servers[id-1].Addr, ServerName: d.pair.Servers[id-1].Name}
	cfg.Secondary.Addr = "127.0.0.1:1"
	cfg.Topology, cfg.Database, cfg.Credentials = Independent, schema, who
	cfg.Session = Session{InterpolateParams: true}
	cfg, err := cfg.normal()
	must(t, err)
	end, err := newEndpoint(&cfg, Primary)
	must(t, err)
	return end
}

// look is one check of that server.
func (d *duo) look(t testing.TB, name string, id int) sight {
	t.Helper()
	s := d.station(t, name, id)
	defer s.leave()
	conn, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := &looker{app: name, node: "test", schemas: d.apps[name].Schemas, end: s.end}
	seen, err := l.look(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// direct logs in as the application, past every connector.
func (d *duo) direct(t testing.TB, name string, id int) *sql.DB {
	t.Helper()
	end := d.endpoint(t, name, id, name, login(d.apps[name].User))
	db := sql.OpenDB(past{end})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// past is a connector to one server without any state.
type past struct{ end *endpoint }

func (p past) Driver() driver.Driver { return &mysql.MySQLDriver{} }

func (p past) Connect(ctx context.Context) (driver.Conn, error) {
	return p.end.relogin(ctx, func(c Credentials) (driverConn, error) {
		return p.end.login(ctx, c, func(raw net.Conn) (net.Conn, error) { return raw, nil })
	})
}

// lockedOut reports whether the application is turned away there.
func (d *duo) lockedOut(t testing.TB, name string, id int) bool {
	t.Helper()
	db := d.direct(t, name, id)
	err := db.Ping()
	for tries := 0; errors.Is(err, mysql.ErrInvalidConn) && tries < 10; tries++ {
		err = db.Ping() // a fence that was at it killed this login
	}
	if err != nil && !serverSaid(err, errAccountLocked, errAccountLockedMySQL) {
		t.Fatalf("login of %s on server %d: %v", name, id, err)
	}
	return err != nil
}

// eventually waits for what the servers do by themselves; the deadline only guards
// against hanging.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it never came: %s", what)
}
