package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/hipaakit/hipaakit/dbfailover"
)

// databasePair is the two database servers that the tour runs against: embedded
// ones, or in a test real ones.
type databasePair struct {
	servers                  [2]dbfailover.Server
	roots                    *x509.CertPool
	user, password, database string
	kill                     func(i int) error // SIGKILL
	close                    func() error
}

// embeddedPair starts two servers, each a process of its own.
func embeddedPair(ctx context.Context, ca *authority) (*databasePair, error) {
	p := &databasePair{roots: ca.pool(), user: "app", password: strings.Repeat("quickstart", 2), database: "app"}
	var children [2]*child
	p.kill = func(i int) error { return children[i].kill() }
	p.close = func() error { return errors.Join(children[0].kill(), children[1].kill()) }
	for i, name := range []string{"db-1.quickstart", "db-2.quickstart"} {
		c, err := startChild(ctx, ca, childConfig{Name: name, User: p.user, Password: p.password, Database: p.database})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), p.close())
		}
		children[i] = c
		p.servers[i] = dbfailover.Server{Addr: c.addr, ServerName: name}
	}
	return p, nil
}

// child is a database server's process.
type child struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
	ended bool
}

func startChild(ctx context.Context, ca *authority, c childConfig) (*child, error) {
	cert, err := ca.issue(c.Name)
	if err != nil {
		return nil, err
	}
	if c.CertPEM, c.KeyPEM, err = encodePEM(cert); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ch := &child{cmd: cmd, stdin: stdin}
	if err := json.NewEncoder(stdin).Encode(c); err != nil {
		return nil, errors.Join(err, ch.kill())
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not say where it listens: %w", err), ch.kill())
	}
	ch.addr = strings.TrimSpace(line)
	return ch, nil
}

func encodePEM(cert tls.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), nil
}

// kill is SIGKILL, and waits until the process is gone. A child that was killed
// already, or never started, is no error.
func (c *child) kill() error {
	if c == nil || c.ended {
		return nil
	}
	c.ended = true
	err := c.cmd.Process.Kill()
	c.stdin.Close()
	if wait := c.cmd.Wait(); err == nil {
		if exit := (*exec.ExitError)(nil); !errors.As(wait, &exit) {
			err = wait
		}
	}
	return err
}
