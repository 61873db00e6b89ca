package testbed

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

// semiSync switches semi-synchronous replication on, for as long as the servers run.
func (p *Pair) semiSync() {
	for _, s := range p.Servers {
		s.SQL(s.engine.semiSync()...)
	}
	for _, s := range p.Servers {
		s.awaitReplication()
	}
}
