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

// find describes what the server with these names wrote to the schemas beyond the position
// since, and how to look at it; nothing, if it wrote nothing. It is judged by schema:
// canaries and other applications go on replicating and are no tail. Where the time is
// not enough, the error is errReading.
func (t *trail) find(ctx context.Context, conn driverConn, d *dialect, who origin, since string, app App) (string, error) {
	if !covers(since, "") {
		return "", fmt.Errorf("dbfailover: %q is no position", since)
	}
	files, err := binaryLogs(ctx, conn)
	if err != nil {
		return "", err
	}
	query := func(file, pos string, limit int) string { return d.log(app.Name, "BINLOG", file, pos, limit) }
	if t.since != written(since, who) || !slices.Contains(files, t.at.file) {
		first, complete, err := startOf(ctx, conn, d, query, files, since, who)
		if err != nil {
			return "", err
		}
		*t = trail{
			since: written(since, who), at: place{file: files[first], pos: "4"},
			search: newSearch(since, who, app.Schemas),
		}
		if !complete {
			t.found.purged = files[first]
		}
	}
	for stop := allowance(ctx, 0.8); !stop(); {
		more, err := t.at.advance(ctx, conn, query, t.take)
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
			return t.found.describe(d, since), nil
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
// second event lists where the log stood. complete: nothing that this server wrote between
// the position and that file is missing, as it would be if an older one was purged.
func startOf(ctx context.Context, conn driverConn, d *dialect, query func(string, string, int) string,
	files []string, from string, who origin) (first int, complete bool, err error) {
	for i := len(files) - 1; i >= 0; i-- {
		listed, begins := false, ""
		err := events(ctx, conn, query(files[i], "4", 3), func(e event) bool {
			if e.kind == d.begins {
				listed, begins = true, strings.Trim(e.info, "[]")
			}
			return true
		})
		switch {
		case err != nil:
			return 0, false, err
		case listed && covers(from, begins):
			return i, true, nil
		case i == 0:
			return 0, listed && covers(from, written(begins, who)), nil
		}
	}
	return 0, false, nil
}

// finding is what a search found.
type finding struct {
	transactions int
	first, last  string
	file         string
	purged       string // the oldest file there is, if some of the position's are gone
}

func (f finding) describe(d *dialect, since string) string {
	var parts []string
	if f.purged != "" {
		parts = append(parts, fmt.Sprintf("its log from %q on was purged before %s: what it wrote then, nobody can see", since, f.purged))
	}
	if f.transactions > 0 {
		parts = append(parts, fmt.Sprintf("%d transactions, %s to %s; see them with: %s", f.transactions, f.first, f.last, d.show(since, f.file)))
	}
	return strings.Join(parts, "; ")
}

// search walks through the events. Transactions carry their GTID first.
type search struct {
	beyond  func(name string, e event) bool // a transaction of this server, not in the position
	schemas []string
	found   *finding

	current string // the transaction at hand, if it lies beyond the position
	counted bool
}

// newSearch looks for what this server wrote beyond a position.
func newSearch(since string, who origin, schemas []string) search {
	s := search{schemas: schemas, found: &finding{}}
	if who.uuid != "" {
		set, _ := parseSet(since)
		s.beyond = func(name string, _ event) bool {
			one, err := parseSet(name)
			return err == nil && len(one.of(who.uuid)) > 0 && !set.covers(one)
		}
		return s
	}
	from, _ := parsePosition(since)
	s.beyond = func(name string, e event) bool {
		g, err := parseGTID(name)
		return err == nil && e.server == who.id && g.sequence > from[g.domain].sequence
	}
	return s
}

func (s *search) take(e event) {
	if name, ok := gtidOf(e); ok {
		s.current, s.counted = "", false
		if s.beyond(name, e) {
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
