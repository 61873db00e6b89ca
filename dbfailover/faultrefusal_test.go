package dbfailover

import (
	"testing"
)

// A server that answers is not switched away from, however it refuses.

func tooManyConnections(t *testing.T, s *scene) {
	s.warm(t)
	var held []func() error
	for range 12 {
		c, err := s.a.db.Conn(t.Context())
		must(t, err)
		held = append(held, c.Close)
	}
	root, err := s.pair.Servers[0].Root().Conn(t.Context()) // later there is no way in
	must(t, err)
	defer root.Close()
	s.strike(func() {
		_, err := root.ExecContext(t.Context(), "SET GLOBAL max_connections=10")
		must(t, err)
	})
	s.good(t, 0, "too many connections (1040)")
	eventually(t, "the checks meet it", func() bool { return s.a.c.Status().Servers[Primary].Reason == "server error 1040" })
	s.long()
	s.stays(t)
	_, err = root.ExecContext(t.Context(), "SET GLOBAL max_connections=300")
	must(t, err)
	for _, end := range held {
		_ = end()
	}
	s.serves(t)
}

// The application's and the monitor's account have another password, for instance since a
// rotation that did not reach the web nodes. Who is in goes on.
func wrongPasswords(t *testing.T, s *scene) {
	s.warm(t)
	set := func(password string) {
		for _, user := range []string{"north_app", "north_mon"} {
			s.pair.Servers[0].SQL("SET sql_log_bin=0", "ALTER USER "+user+"@'127.0.0.1' "+s.pair.Servers[0].Identified(password))
		}
	}
	s.strike(func() { set("another") })
	s.good(t, 0, "wrong passwords (1045): who is in goes on")
	eventually(t, "the checks meet it", func() bool { return s.a.c.Status().Servers[Primary].Reason == reasonDenied })
	s.long()
	s.stays(t)
	c, err := s.a.c.Connect(t.Context())
	if err == nil {
		_ = c.Close()
	}
	if !serverSaid(err, errAccessDenied) {
		t.Errorf("a new connection: %v", err)
	}
	s.strike(func() { set(duoPassword) })
	eventually(t, "somebody gets in again", func() bool {
		c, err := s.a.c.Connect(t.Context())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	s.serves(t)
}

// Fail closed: no new connection, and no move that shows an attacker the other server.
func expiredCertificate(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(s.pair.Servers[0].Expire)
	s.good(t, 0, "expired certificate: who is in goes on")
	eventually(t, "the checks meet it", func() bool {
		return s.a.c.Status().Servers[Primary].Reason == "certificate does not verify"
	})
	s.long()
	s.stays(t)
	if c, err := s.a.c.Connect(t.Context()); err == nil {
		_ = c.Close()
		t.Error("a new connection was made to a server whose certificate is expired")
	}
	s.strike(s.pair.Servers[0].Renew)
	s.serves(t)
}
