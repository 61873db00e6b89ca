package dbfailover

import (
	"context"
	"fmt"
	"strings"
)

// tail describes what the server with this id wrote to the schemas beyond the
// position since, and how to look at it; nothing, if it wrote nothing. It is judged
// by schema: canaries and other applications go on replicating and are no tail.
func tail(ctx context.Context, conn driverConn, id uint32, since string, schemas []string) (string, error) {
	from, err := parsePosition(since)
	if err != nil {
		return "", err
	}
	logs, err := ask(ctx, conn, "SHOW BINARY LOGS")
	if err != nil {
		return "", err
	}
	files := make([]string, len(logs.rows))
	for i, row := range logs.rows {
		files[i] = row[0]
	}
	first, err := startOf(ctx, conn, files, from)
	if err != nil {
		return "", err
	}
	var found finding
	for _, file := range files[first:] {
		s := search{from: from, id: id, schemas: schemas, found: &found}
		if err := events(ctx, conn, "SHOW BINLOG EVENTS IN '"+file+"'", s.take); err != nil {
			return "", err
		}
	}
	return found.describe(since), nil
}

// startOf returns the newest file that begins at or before the position: each file's
// second event lists where the log stood.
func startOf(ctx context.Context, conn driverConn, files []string, from position) (int, error) {
	for i := len(files) - 1; i > 0; i-- {
		var begins position
		err := events(ctx, conn, "SHOW BINLOG EVENTS IN '"+files[i]+"' LIMIT 3", func(e event) bool {
			if e.kind == "Gtid_list" {
				begins, _ = parsePosition(strings.Trim(e.info, "[]"))
			}
			return true
		})
		if err != nil {
			return 0, err
		}
		if begins != nil && from.covers(begins) {
			return i, nil
		}
	}
	return 0, nil
}

// finding is what a search found.
type finding struct {
	transactions int
	first, last  string
	file         string
}

func (f finding) describe(since string) string {
	if f.transactions == 0 {
		return ""
	}
	return fmt.Sprintf("%d transactions, %s to %s; see them with: mariadb-binlog --base64-output=decode-rows -v --start-position=%s %s",
		f.transactions, f.first, f.last, orNothing(since), f.file)
}

func orNothing(position string) string {
	if position == "" {
		return "4"
	}
	return position
}

// search walks through the events of one file. Transactions carry their GTID first.
type search struct {
	from    position
	id      uint32
	schemas []string
	found   *finding

	current string // the transaction at hand, if it lies beyond the position
	counted bool
}

func (s *search) take(e event) bool {
	if e.kind == "Gtid" {
		s.current, s.counted = "", false
		_, name, _ := strings.Cut(e.info, "GTID ")
		name, _, _ = strings.Cut(name, " ")
		if g, err := parseGTID(name); err == nil && e.server == s.id && g.sequence > s.from[g.domain].sequence {
			s.current = name
		}
		return true
	}
	if s.current == "" || s.counted || !e.touches(s.schemas) {
		return true
	}
	s.counted = true
	s.found.transactions++
	s.found.last = s.current
	if s.found.first == "" {
		s.found.first, s.found.file = s.current, e.file
	}
	return true
}
