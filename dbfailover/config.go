package dbfailover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"
)

// Server is one database server.
type Server struct {
	// Addr is host:port.
	Addr string
	// ServerName is the DNS name or IP address that the server's certificate must
	// carry. Default: the host of Addr.
	ServerName string
}

// Topology says how the two servers are related. The zero value is refused: what
// a switch may do depends on it, so it has to be said.
type Topology uint8

const (
	_ Topology = iota
	// Independent: the servers do not replicate to each other, or nobody minds if
	// they do. A switch compares no positions, fences nobody and agrees with no
	// other process. What was written to the primary is not on the secondary, and
	// two web nodes can use different servers at the same time. For read-only
	// data and demonstrations.
	Independent
	// Replicated: two masters that replicate to each other, one of them the writer
	// for all web nodes of an application. Needs Config.App and its [Script].
	Replicated
)

// String returns the topology's name.
func (t Topology) String() string {
	switch t {
	case Independent:
		return "independent"
	case Replicated:
		return "replicated"
	}
	return fmt.Sprintf("topology(%d)", uint8(t))
}

// Config describes the two servers. Primary, Secondary, TLS, Credentials and
// Topology are required. New copies it; later changes have no effect.
type Config struct {
	Primary, Secondary Server

	// Database is the default schema. Empty means none; with Replicated the first of
	// App.Schemas, because a quarantine knows by its default schema alone where a
	// CREATE PROCEDURE belongs.
	Database string

	// TLS must have RootCAs. Certificates or GetClientCertificate give a client
	// certificate. Settings that would weaken verification are refused by New.
	TLS *tls.Config

	// Credentials is asked for every login, so passwords can be rotated and tokens
	// can expire; again, once, when the server refuses them (1045); and about once
	// a minute for the checks. It must honour ctx and be safe for concurrent use.
	Credentials func(ctx context.Context, s Server) (Credentials, error)

	// Topology must be set.
	Topology Topology

	// App names the application to [Replicated] servers. Ignored by Independent.
	App App

	// Timers is Careful or Fast. Default Careful.
	Timers Timers

	// Session holds what the driver would read from a DSN. Default: the driver's
	// defaults.
	Session Session

	// Logger gets one line per change of state and per change of a server's
	// health. Default slog.Default(). A handler that blocks delays the checks; it
	// may call Status, nothing else of the Connector.
	Logger *slog.Logger

	// Dial replaces net.Dialer for "tcp", for tests and tunnels. It must honour
	// ctx. TLS is spoken over what it returns, whatever that is.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Session is how connections behave once they are open; see the fields of the
// same names in the driver's documentation. The driver settings that would weaken
// the connection (plaintext fallback, old passwords, LOAD DATA for all files)
// have no counterpart here. rejectReadOnly has none either: it turns every error
// 1290 into a bad connection that is silently tried elsewhere.
type Session struct {
	ParseTime         bool              // DATE and DATETIME as time.Time
	Location          *time.Location    // of those times; default UTC
	Collation         string            // default: the driver's
	InterpolateParams bool              // fill in placeholders here, saving a round trip
	ClientFoundRows   bool              // RowsAffected counts matched rows
	Variables         map[string]string // SET name = value after every login
}

// normal returns a checked copy with the defaults filled in.
func (c Config) normal() (Config, error) {
	if c.Topology != Independent && c.Topology != Replicated {
		return c, errors.New("dbfailover: Config.Topology is not set: say Replicated for two masters that replicate to each " +
			"other, Independent if they do not (read-only data, demonstrations)")
	}
	if c.Topology == Replicated {
		app, err := c.App.normal()
		if err != nil {
			return c, err
		}
		c.App = app
		c.Credentials = onlyUser(app.User, c.Credentials)
		if c.Database == "" {
			c.Database = app.Schemas[0]
		}
		if !slices.Contains(app.Schemas, c.Database) {
			return c, errors.New("dbfailover: Config.Database is not among App.Schemas: what is written there would be fenced and looked for by nobody")
		}
	}
	if c.Credentials == nil {
		return c, errors.New("dbfailover: Config.Credentials is not set: give a function that returns user and password")
	}
	for _, role := range []Role{Primary, Secondary} {
		s := c.server(role)
		host, port, err := net.SplitHostPort(s.Addr)
		if err != nil || host == "" || port == "" {
			return c, fmt.Errorf("dbfailover: the %v server's Addr must be host:port", role)
		}
		if s.ServerName == "" {
			s.ServerName = host
		}
	}
	if c.Primary.Addr == c.Secondary.Addr {
		return c, errors.New("dbfailover: Primary and Secondary have the same Addr")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer // keeps TCP connections alive by default, unlike a bare socket
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	return c, nil
}

func (c *Config) server(r Role) *Server {
	if r == Primary {
		return &c.Primary
	}
	return &c.Secondary
}
