package testbed

import (
	"database/sql"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// replicate lets each server follow the other, over TLS that verifies the
// other's certificate and address, and returns when both directions run.
func (p *Pair) replicate() {
	for i, s := range p.Servers {
		s.t.Helper()
		_, port, err := net.SplitHostPort(p.feed[i])
		if err != nil {
			s.t.Fatalf("server %d: %v", s.ID, err)
		}
		s.SQL(fmt.Sprintf(`CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s,
			MASTER_USER='repl', MASTER_PASSWORD='%s', MASTER_USE_GTID=slave_pos,
			MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1,
			MASTER_SSL=1, MASTER_SSL_CA='%s', MASTER_SSL_VERIFY_SERVER_CERT=1`,
			port, p.replPassword, filepath.Join(s.dir, "ca.pem")),
			"START SLAVE")
		s.BootWith(startReplication)
	}
	for _, s := range p.Servers {
		s.awaitReplication()
	}
}

func (s *Server) awaitReplication() {
	s.t.Helper()
	err := s.proc.await(func() error {
		row, err := s.Replication()
		if err != nil {
			return err
		}
		if row["Slave_IO_Running"] != "Yes" || row["Slave_SQL_Running"] != "Yes" {
			return fmt.Errorf("receiving %s, applying %s: %s", row["Slave_IO_Running"],
				row["Slave_SQL_Running"], row["Last_IO_Error"])
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("server %d: replication: %v", s.ID, err)
	}
}

// AwaitCaughtUp returns when this server has applied all that other had in its
// binary log at the time of the call.
func (s *Server) AwaitCaughtUp(other *Server) {
	s.t.Helper()
	var position string
	if err := other.root.QueryRow("SELECT @@gtid_binlog_pos").Scan(&position); err != nil {
		s.t.Fatalf("server %d: binlog position: %v", other.ID, err)
	}
	var timedOut int
	err := s.root.QueryRow("SELECT MASTER_GTID_WAIT(?, ?)", position, int(patience/time.Second)).Scan(&timedOut)
	if err != nil || timedOut != 0 {
		s.t.Fatalf("server %d did not reach %q (answer %d): %v", s.ID, position, timedOut, err)
	}
}

// Replication returns the columns of SHOW SLAVE STATUS, none where the server
// follows nobody.
func (s *Server) Replication() (map[string]string, error) {
	rows, err := s.root.Query("SHOW SLAVE STATUS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		return map[string]string{}, err
	}
	values := make([]sql.NullString, len(names))
	targets := make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return nil, err
	}
	status := make(map[string]string, len(names))
	for i, name := range names {
		status[name] = values[i].String
	}
	return status, rows.Err()
}
