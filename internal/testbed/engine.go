package testbed

import (
	"os/exec"
	"time"
)

// engine is what differs between the servers of MariaDB and of MySQL.
type engine interface {
	// command runs a server with this configuration, in the foreground.
	command(config string) *exec.Cmd
	// config is the whole configuration; no file of the machine is read beside it.
	config(dir, port string, id int) string
	// found fills the server's empty data folder, starts it, and gives it the pair's
	// accounts: nothing of that is in a binary log.
	found(s *Server, p *Pair)
	// identified is the clause of CREATE USER that sets a password.
	identified(password string) string
	// follow lets a server replicate from that port, verified by ca.
	follow(port, password, ca string) []string
	// semiSync switches semi-synchronous replication on, by the configuration at later
	// starts and by statements now. Nobody is waited for where nobody receives.
	semiSync() (lines, statements []string)
	// status is the query for the state of replication, and how its columns are called
	// by MariaDB.
	status() (query string, rename func(column string) string)
	// position is the query for what is in the binary log.
	position() string
	// wait is the query that waits until a position is applied, so many seconds at most.
	wait() string
	// newCertificate makes the server read its certificate again, expiry is when from now
	// one ends that tests take for expired: not every server takes one that has ended.
	newCertificate() string
	expiry() time.Duration
	// smallDisk is the size of a disk that holds the server and little more.
	smallDisk() (mib int)
}

// Identified returns the clause of CREATE USER or ALTER USER that sets a password,
// with a plugin that needs no SHA-1.
func (s *Server) Identified(password string) string { return s.engine.identified(password) }
