package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/sirupsen/logrus"
)

// childVariable makes this program a database server instead of the tour.
const childVariable = "HIPAAKIT_QUICKSTART_DATABASE"

// childConfig comes over the child's standard input: what is in an argument or
// the environment, every user of the machine can read.
type childConfig struct {
	Name, User, Password, Database string
	CertPEM, KeyPEM                []byte
}

// serveDatabase is the child's main: an embedded MySQL server over TLS, in
// memory. It prints its address and ends when its standard input does, and so
// with its parent, however that ends.
func serveDatabase() error {
	in := json.NewDecoder(os.Stdin)
	var c childConfig
	if err := in.Decode(&c); err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	logrus.SetOutput(io.Discard)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s, err := c.server(socket)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(socket.Addr())
	return s.Start()
}

func (c childConfig) server(socket net.Listener) (*server.Server, error) {
	cert, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		return nil, err
	}
	provider := memory.NewDBProvider(memory.NewDatabase(c.Database))
	engine := sqle.NewDefault(provider)
	accounts := engine.Analyzer.Catalog.MySQLDb
	editor := accounts.Editor()
	accounts.AddSuperUser(editor, c.User, "127.0.0.1", c.Password)
	editor.Close()
	return server.NewServer(server.Config{
		Protocol: "tcp", Listener: socket, RequireSecureTransport: true,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}, engine, sql.NewContext, memory.NewSessionBuilder(provider), nil)
}
