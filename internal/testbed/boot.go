package testbed

import (
	"os"
	"strings"
)

// startReplication is what a replicated server's init-file says at first, in words that
// both kinds know. It is the init-file's business because the server would otherwise
// begin to apply before it has read the file, and with it the filters (MariaDB 10.11,
// read in its log).
const startReplication = "START REPLICA"

// BootWith replaces what the server runs at every start, one statement a line,
// before it accepts connections.
func (s *Server) BootWith(script string) {
	s.t.Helper()
	s.acct.file(s.t, s.dir, "init.sql", []byte(script))
}

// Configure adds lines to the configuration, for the next start.
func (s *Server) Configure(lines ...string) {
	s.t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
	s.config = s.acct.file(s.t, s.dir, "my.cnf", append(text, strings.Join(append(lines, ""), "\n")...))
}

// semiSync switches semi-synchronous replication on, now and at every later start. Not in
// the first configuration: the statements that set a server up have nobody to wait for.
// Without a receiver nobody is waited for either, as docs/database.md advises: else a
// server that is promoted because the other one died would wait for that.
func (p *Pair) semiSync() {
	for _, s := range p.Servers {
		lines, statements := s.engine.semiSync()
		s.Configure(lines...)
		s.SQL(statements...)
	}
	for _, s := range p.Servers {
		s.awaitReplication()
	}
}
