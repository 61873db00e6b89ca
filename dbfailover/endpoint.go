package dbfailover

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"database/sql/driver"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"
)

// driverConn is everything the driver's connections can do. They are asked for it
// once, when opened, so that a driver that loses one of these does not lose it in
// silence.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker

	// The two old methods are what sql.Conn.Raw gives code that wants a
	// mysql.Result with all ids of a multi-row insert.
	Exec(query string, args []driver.Value) (driver.Result, error)
	Query(query string, args []driver.Value) (driver.Rows, error)
}

// endpoint opens connections to one server. Safe for concurrent use.
type endpoint struct {
	role   Role
	server Server
	base   *mysql.Config
	ask    func(context.Context, Server) (Credentials, error)
	dial   func(context.Context, string) (net.Conn, error)
	met    *met
}

// hold takes over a new network connection and returns what the driver is to use
// in its place.
type hold func(net.Conn) (net.Conn, error)

func newEndpoint(cfg *Config, role Role) (*endpoint, error) {
	server := *cfg.server(role)
	verified, err := verifiedTLS(cfg.TLS, server.ServerName)
	if err != nil {
		return nil, err
	}
	return &endpoint{
		role: role, server: server, base: driverConfig(cfg, server.Addr, verified),
		ask: cfg.Credentials, dial: cfg.Dial, met: &met{},
	}, nil
}

func driverConfig(cfg *Config, addr string, verified *tls.Config) *mysql.Config {
	d := mysql.NewConfig()
	d.Net, d.Addr, d.DBName, d.TLS = "tcp", addr, cfg.Database, verified
	// The driver logs to standard error, in words that nobody has checked. What
	// it has to say about connections is heard from the sockets.
	d.Logger = &mysql.NopLogger{}
	// Without this an account with that plugin is a panic in FIPS mode, see avoidSHA1.
	d.AllowNativePasswords = !fips140.Enforced()
	s := cfg.Session
	d.ParseTime, d.Collation = s.ParseTime, s.Collation
	d.InterpolateParams, d.ClientFoundRows = s.InterpolateParams, s.ClientFoundRows
	d.Params = s.Variables
	if s.Location != nil {
		d.Loc = s.Location
	}
	return d.Clone()
}

// credentials asks the application.
func (e *endpoint) credentials(ctx context.Context) (Credentials, error) {
	c, err := e.ask(ctx, e.server)
	if err != nil {
		return Credentials{}, &credentialsError{err}
	}
	return c, nil
}

// tryLogin connects and logs in once. All of it ends with ctx: the driver's own
// Timeout covers dialling alone, and a server that is stopped accepts connections
// and never greets.
func (e *endpoint) tryLogin(ctx context.Context, c Credentials, keep hold) (driverConn, error) {
	cfg := e.base.Clone()
	cfg.User, cfg.Passwd, cfg.AllowCleartextPasswords = c.User, c.Password.secret(), c.Cleartext
	var first *greeted
	cfg.DialFunc = func(ctx context.Context, _, addr string) (net.Conn, error) {
		conn, err := e.dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		first = &greeted{Conn: conn}
		return keep(withDescriptor(first, conn))
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("dbfailover: settings refused by the driver: %w", err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		if first != nil && first.bad != nil {
			return nil, first.bad
		}
		return nil, err
	}
	full, ok := conn.(driverConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("dbfailover: the driver's %T lacks methods that database/sql expects", conn)
	}
	e.met.note(first.version)
	return full, nil
}

// dialect is how the server is spoken to; nobody asks it before a login.
func (e *endpoint) dialect() *dialect {
	if e == nil {
		return MariaDB.dialect()
	}
	f, _ := e.met.get()
	return f.dialect()
}
