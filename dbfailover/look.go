package dbfailover

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// looker reads one application's state on a server, with the monitor's account.
type looker struct {
	app, node string
	schemas   []string
	end       *endpoint // of the connections that look is given

	// The search of the relay log behind the place where applying stopped.
	stopped, at place
	next        string  // the file after the one that is read
	found       bool    // something of this application
	passed      gtidSet // MySQL: what has been read behind that place
	done        bool    // MySQL: the transaction at hand was applied before the stop
	applied     gtidSet // MySQL: all that was
}

// lookColumns is how many the procedure look answers; the last ones are MySQL's UUID of the
// server, and what the threads that apply complain of.
const lookColumns = 18

// look takes two round trips.
func (l *looker) look(ctx context.Context, conn driverConn) (sight, error) {
	table, err := ask(ctx, conn, "CALL hipaakit.look_"+l.app+"(?)", l.node)
	if err != nil {
		return sight{}, err
	}
	if len(table.rows) != 1 || len(table.rows[0]) != lookColumns {
		return sight{}, errOtherScript
	}
	row := table.rows[0]
	s, err := l.read(row)
	if err != nil {
		return sight{}, err
	}
	s.feed, err = l.follow(ctx, conn, s.top.server == s.id, row[17])
	return s, err
}

func (l *looker) read(row []string) (s sight, err error) {
	number := func(text string, bits int) uint64 {
		n, parseErr := strconv.ParseUint(text, 10, bits)
		if parseErr != nil && err == nil {
			err = fmt.Errorf("dbfailover: the check read %q where a number has to be", text)
		}
		return n
	}
	s = sight{
		readOnly: row[0] != "0", known: true, id: uint32(number(row[1], 32)), at: row[2],
		top:    epoch{number: number(row[3], 64), server: uint32(number(row[4], 32)), gtid: row[5]},
		locked: row[6] != "0", tail: row[7], quarantined: row[8] != "0",
		beats: number(row[9], 64), neighbours: int(number(row[10], 31)), semiSync: row[11] == "1", judged: number(row[12], 64),
		logged: row[13], forced: row[14] == "1", echo: number(row[15], 64), uuid: row[16],
	}
	return s, err
}

// cutShort: who changed the filters was killed before applying went on. It is started
// again as after the gate.
const cutShort = "hipaakit: paused"

// follow reads how this server follows the other. Whoever is the writer is not about to
// be promoted, so what it has not applied does not matter. complaint is what the threads
// that apply said at their end, where the status does not repeat it (MySQL).
func (l *looker) follow(ctx context.Context, conn driverConn, writer bool, complaint string) (feed, error) {
	d := l.end.dialect()
	table, err := ask(ctx, conn, d.status)
	if err != nil || len(table.rows) == 0 {
		return feed{lag: -1}, err
	}
	f := feed{
		receiving: table.get(d.receiving) == "Yes", applying: table.get(d.applying) == "Yes",
		received: table.get(d.received), lag: -1,
	}
	f.errno, _ = strconv.Atoi(table.get("Last_SQL_Errno"))
	f.gated = (f.errno == errGate || f.errno == errAppliersFollow) && strings.Contains(table.get("Last_SQL_Error")+complaint, "gate VALUES ('"+l.app+"'") ||
		complaint == cutShort
	if n, err := strconv.Atoi(table.get(d.lag)); err == nil {
		f.lag = n
	}
	f.applied = covers(table.get(d.applied), f.received)
	if !f.applied && !f.applying && f.errno != 0 && !writer {
		f.applied, err = l.search(ctx, conn, table)
	}
	return f, err
}

// search reads on in the relay log where applying stopped, and reports whether nothing of
// this application lies there. What it has read stays read, so canaries that come in cost
// little; as long as it is not through, the answer is no.
func (l *looker) search(ctx context.Context, conn driverConn, t table) (clear bool, err error) {
	from := place{file: t.get("Relay_Log_File"), pos: t.get("Relay_Log_Pos")}
	if from != l.stopped {
		l.stopped, l.at, l.next, l.found = from, from, "", false
		l.passed, l.done = gtidSet{}, false
	}
	d := l.end.dialect()
	l.applied, _ = parseSet(t.get(d.applied)) // a MariaDB server needs none
	if from.file == "" || l.found {
		return false, nil
	}
	for stop := allowance(ctx, 1./3); !stop(); {
		more, err := l.at.advance(ctx, conn, l.asked(d, "RELAYLOG"), l.take)
		switch {
		case err != nil && errors.As(err, new(*mysql.MySQLError)):
			l.stopped = place{} // the log is another one by now
			return false, nil
		case err != nil || l.found:
			return false, err
		case more:
		case l.next == "":
			return l.through(t.get(d.received)), nil
		default:
			l.at, l.next = place{file: l.next, pos: "4"}, ""
		}
	}
	return false, nil
}

// through: the end of the log is reached. MySQL's sets say besides whether all that is
// to be applied was read on the way.
func (l *looker) through(received string) bool {
	if !isSet(received) {
		return true
	}
	want, err := parseSet(received)
	have := gtidSet{}
	have.add(l.applied)
	have.add(l.passed)
	return err == nil && have.covers(want)
}

func (l *looker) take(e event) {
	if name, ok := gtidOf(e); ok && isSet(name) {
		one, err := parseSet(name)
		l.done = err == nil && l.applied.covers(one) // by several threads, beyond the place
		l.passed.add(one)
	}
	l.found = l.found || !l.done && e.touches(l.schemas)
	if e.kind == "Rotate" {
		// Both logs' rotations are in it; the other server's has another name.
		if name, _, _ := strings.Cut(e.info, ";"); name != l.at.file && series(name) == series(l.at.file) {
			l.next = name
		}
	}
}

// series is a log's name without its number.
func series(file string) string {
	return strings.TrimSuffix(file, filepath.Ext(file))
}

// asked returns the query for a piece of a log.
func (l *looker) asked(d *dialect, log string) func(file, pos string, limit int) string {
	return func(file, pos string, limit int) string { return d.log(l.app, log, file, pos, limit) }
}

// table is a small result.
type table struct {
	columns []string
	rows    [][]string
}

// get returns a column of the first row, or nothing.
func (t table) get(column string) string {
	for i, name := range t.columns {
		if name == column && len(t.rows) > 0 {
			return t.rows[0][i]
		}
	}
	return ""
}

// ask runs a query on the driver's connection itself and reads its first result. NULL
// reads as "".
func ask(ctx context.Context, conn driverConn, query string, args ...any) (t table, err error) {
	t.columns, err = each(ctx, conn, query, args, func(row []string) bool {
		t.rows = append(t.rows, row)
		return true
	})
	return t, err
}

// each calls take for every row until that says no.
func each(ctx context.Context, conn driverConn, query string, args []any, take func([]string) bool) (columns []string, err error) {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	rows, err := conn.QueryContext(ctx, query, named)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := rows.Close(); err == nil {
			err = closeErr
		}
	}()
	columns = rows.Columns()
	values := make([]driver.Value, len(columns))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return columns, nil
		} else if err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			if v != nil {
				row[i] = text(v)
			}
		}
		if !take(row) {
			return columns, nil
		}
	}
}
