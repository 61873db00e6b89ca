package dbfailover

import (
	_ "embed"
	"fmt"
	"strings"
	"sync/atomic"
)

// Flavour is whose servers these are. Both of a pair are of one flavour: the two do not
// understand each other's replication.
type Flavour uint8

const (
	// MariaDB is 10.5.2 or newer.
	MariaDB Flavour = iota
	// MySQL is 8.0.23 or newer: with rights of their own for what the procedures do,
	// and SHOW REPLICA STATUS.
	MySQL
)

// String returns "MariaDB" or "MySQL".
func (f Flavour) String() string {
	switch f {
	case MariaDB:
		return "MariaDB"
	case MySQL:
		return "MySQL"
	}
	return fmt.Sprintf("flavour(%d)", uint8(f))
}

// dialect is what the checks and the hand say differently to the two. What else differs
// is in the procedures of the two scripts, which have the same names, arguments and
// answers, and in how GTIDs are written, which tells itself (see covers and gtidOf).
type dialect struct {
	// origin is how GTIDs name a server.
	origin string
	// status is how it follows the other one, by the columns below.
	status                   string
	receiving, applying, lag string
	received, applied        string
	// log reads a piece of a log: BINLOG or RELAYLOG, file, position, number of events.
	log func(app, log, file, pos string, limit int) string
	// begins is the event in which a file lists where the log stood before it.
	begins string
	// show is the command that shows events beyond a position.
	show func(since, file string) string
}

var dialects = [...]dialect{
	MariaDB: {
		origin: "SELECT @@server_id, ''",
		status: "SHOW ALL SLAVES STATUS", receiving: "Slave_IO_Running", applying: "Slave_SQL_Running",
		lag: "Seconds_Behind_Master", received: "Gtid_IO_Pos", applied: "Gtid_Slave_Pos",
		log: func(_, log, file, pos string, limit int) string {
			return fmt.Sprintf("SHOW %s EVENTS IN '%s' FROM %s LIMIT %d", log, file, pos, limit)
		},
		begins: "Gtid_list",
		show: func(since, file string) string {
			if since == "" {
				since = "4"
			}
			return "mariadb-binlog --base64-output=decode-rows -v --start-position=" + since + " " + file
		},
	},
	MySQL: {
		origin: "SELECT @@server_id, @@server_uuid",
		status: "SHOW REPLICA STATUS", receiving: "Replica_IO_Running", applying: "Replica_SQL_Running",
		lag: "Seconds_Behind_Source", received: "Retrieved_Gtid_Set", applied: "Executed_Gtid_Set",
		// Reading a log takes the right to be sent all of it, so a procedure has that
		// right and the monitor's account has not.
		log: func(app, log, file, pos string, limit int) string {
			return fmt.Sprintf("CALL hipaakit.log_%s('%s', '%s', %s, %d)", app, log, file, pos, limit)
		},
		begins: "Previous_gtids",
		show: func(since, file string) string {
			return "mysqlbinlog --base64-output=decode-rows -v --exclude-gtids='" + since + "' " + file
		},
	},
}

func (f Flavour) dialect() *dialect { return &dialects[f] }

var (
	//go:embed sql/mariadb.sql
	mariadbScript string
	//go:embed sql/mysql.sql
	mysqlScript string
)

func (f Flavour) script() string {
	if f == MySQL {
		return mysqlScript
	}
	return mariadbScript
}

// flavourOf tells a server by the version that it greets with. MariaDB puts its name
// there, before or after numbers that used to please old clients.
func flavourOf(version string) Flavour {
	if strings.Contains(strings.ToLower(version), "mariadb") {
		return MariaDB
	}
	return MySQL
}

// met is the flavour of the server that last greeted, if any did. Safe for concurrent
// use.
type met struct{ flavour atomic.Uint32 }

func (m *met) note(version string) { m.flavour.Store(uint32(flavourOf(version)) + 1) }

func (m *met) get() (f Flavour, known bool) {
	n := m.flavour.Load()
	if n == 0 {
		return MariaDB, false
	}
	return Flavour(n - 1), true
}
