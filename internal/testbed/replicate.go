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
		s.SQL(s.engine.follow(port, p.replPassword, filepath.Join(s.dir, "ca.pem"))...)
		s.BootWith(startReplication + ";\n")
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
	if err := other.root.QueryRow(other.engine.position()).Scan(&position); err != nil {
		s.t.Fatalf("server %d: binlog position: %v", other.ID, err)
	}
	var timedOut int
	err := s.root.QueryRow(s.engine.wait(), position, int(patience/time.Second)).Scan(&timedOut)
	if err != nil || timedOut != 0 {
		s.t.Fatalf("server %d did not reach %q (answer %d): %v", s.ID, position, timedOut, err)
	}
}

// Replication returns the columns of SHOW SLAVE STATUS, by MariaDB's names, none where
// the server follows nobody.
func (s *Server) Replication() (map[string]string, error) {
	query, rename := s.engine.status()
	rows, err := s.root.Query(query)
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
		status[rename(name)] = values[i].String
	}
	return status, rows.Err()
}
