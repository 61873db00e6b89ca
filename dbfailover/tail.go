package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// trail is the search for a tail in a server's binary log: it goes on where it was, if it
// is asked for the same position again.
type trail struct {
	since string // the part of the position that counts: of the server itself
	at    place
	search
}

// find describes what the server with this id wrote to the schemas beyond the position
// since, and how to look at it; nothing, if it wrote nothing. It is judged by schema:
// canaries and other applications go on replicating and are no tail. Where the time is
// not enough, the error is errReading.
func (t *trail) find(ctx context.Context, conn driverConn, id uint32, since string, schemas []string) (string, error) {
	from, err := parsePosition(since)
	if err != nil {
		return "", err
	}
	files, err := binaryLogs(ctx, conn)
	if err != nil {
		return "", err
	}
	if t.since != from.of(id).String() || !slices.Contains(files, t.at.file) {
		first, err := startOf(ctx, conn, files, from)
		if err != nil {
			return "", err
		}
		*t = trail{
			since: from.of(id).String(), at: place{file: files[first], pos: "4"},
			search: search{from: from, id: id, schemas: schemas, found: &finding{}},
		}
	}
	for stop := allowance(ctx, 0.8); !stop(); {
		more, err := t.at.advance(ctx, conn, "BINLOG", t.take)
		if errors.As(err, new(*mysql.MySQLError)) {
			t.at = place{} // the log is another one by now: from the start
		}
		if err != nil {
			return "", err
		}
		next := slices.Index(files, t.at.file) + 1
		switch {
		case more:
		case next == len(files):
			return t.found.describe(since), nil
		default:
			t.at = place{file: files[next], pos: "4"}
		}
	}
	return "", errReading
}

func binaryLogs(ctx context.Context, conn driverConn) (files []string, err error) {
	logs, err := ask(ctx, conn, "SHOW BINARY LOGS")
	if err == nil && len(logs.rows) == 0 {
		err = errors.New("dbfailover: the server has no binary log")
	}
	for _, row := range logs.rows {
		files = append(files, row[0])
	}
	return files, err
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

// search walks through the events. Transactions carry their GTID first.
type search struct {
	from    position
	id      uint32
	schemas []string
	found   *finding

	current string // the transaction at hand, if it lies beyond the position
	counted bool
}

func (s *search) take(e event) {
	if e.kind == "Gtid" {
		s.current, s.counted = "", false
		_, name, _ := strings.Cut(e.info, "GTID ")
		name, _, _ = strings.Cut(name, " ")
		if g, err := parseGTID(name); err == nil && e.server == s.id && g.sequence > s.from[g.domain].sequence {
			s.current = name
		}
		return
	}
	if s.current == "" || s.counted || !e.touches(s.schemas) {
		return
	}
	s.counted = true
	s.found.transactions++
	s.found.last = s.current
	if s.found.first == "" {
		s.found.first, s.found.file = s.current, e.file
	}
}
