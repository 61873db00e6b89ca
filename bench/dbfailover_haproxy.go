package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var errNoHAProxy = errors.New("haproxy is not here (Debian package haproxy)")

// haproxy is a proxy with two ways in: as its defaults have it, and tuned for speed.
type haproxy struct {
	usual, tuned string // addresses
}

// haproxyConfig has a primary and a backup behind both. Its checks cannot log in to a
// server that demands TLS, so they wait for the server's greeting (option mysql-check
// without a user), which is the most that it can do here. Tuned trades for speed what
// one can: checks five times a second, and any refused connection takes a server out.
const haproxyConfig = `global
  maxconn 500
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen usual
  bind %[1]s
  option mysql-check
  server one %[3]s check
  server two %[4]s check backup
listen tuned
  bind %[2]s
  option mysql-check
  timeout check 300ms
  default-server inter 200ms fall 2 rise 2 observe layer4 error-limit 1 on-error mark-down on-marked-down shutdown-sessions
  server one %[3]s check
  server two %[4]s check backup
`

// startHAProxy puts it between the clients and the path to the first server, and the
// second one.
func (f *failoverBench) startHAProxy() (*haproxy, error) {
	program, err := findHAProxy()
	if err != nil {
		return nil, err
	}
	p := &haproxy{}
	for _, address := range []*string{&p.usual, &p.tuned} {
		if *address, err = loopbackAddress(); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(f.dir, "haproxy.cfg")
	text := fmt.Sprintf(haproxyConfig, p.usual, p.tuned, f.path.Addr, f.pair.Servers[1].Addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	var out strings.Builder
	cmd := exec.Command(program, "-db", "-q", "-f", config)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f.host.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for _, address := range []string{p.usual, p.tuned} {
		db, err := f.bare(address, "localhost")
		if err != nil {
			return nil, fmt.Errorf("haproxy: %w\n%s", err, &out)
		}
		if err := db.Close(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func findHAProxy() (string, error) {
	// Debian keeps it in /usr/sbin, which is not in an ordinary user's PATH.
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoHAProxy
}

// loopbackAddress is one that nobody listened on a moment ago.
func loopbackAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
