package dbfailover

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
)

// script answers queries by their beginning, and keeps what it was asked.
type scripted struct {
	driverConn
	answers map[string][][]string // the first row is the columns'
	fails   map[string]error
	asked   []string
}

func (s *scripted) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	s.asked = append(s.asked, query)
	for begin, err := range s.fails {
		if strings.HasPrefix(query, begin) {
			return nil, err
		}
	}
	for begin, rows := range s.answers {
		if strings.HasPrefix(query, begin) {
			return &scriptedRows{rows: rows}, nil
		}
	}
	return nil, errors.New("not in the script: " + query)
}

type scriptedRows struct{ rows [][]string }

func (r *scriptedRows) Columns() []string { return r.rows[0] }
func (r *scriptedRows) Close() error      { return nil }

func (r *scriptedRows) Next(to []driver.Value) error {
	if len(r.rows) < 2 {
		return io.EOF
	}
	for i, v := range r.rows[1] {
		to[i] = v
	}
	r.rows = append(r.rows[:1:1], r.rows[2:]...)
	return nil
}

var statusColumns = []string{"Slave_IO_Running", "Slave_SQL_Running", "Gtid_IO_Pos", "Gtid_Slave_Pos", "Last_SQL_Errno", "Last_SQL_Error",
	"Seconds_Behind_Master", "Relay_Log_File", "Relay_Log_Pos"}

func status(sql, applied, errno, text, pos string) [][]string {
	return [][]string{statusColumns, {"Yes", sql, "1-1-20,2-2-5", applied, errno, text, "3", "relay.000002", pos}}
}

var eventColumns = []string{"Log_name", "Pos", "Event_type", "Server_id", "End_log_pos", "Info"}

func relayed(rows ...[]string) [][]string { return append([][]string{eventColumns}, rows...) }

func TestWhatWasReceivedAndNotApplied(t *testing.T) {
	south := []string{"relay.000002", "400", "Table_map", "1", "450", "table_id: 18 (south.note)"}
	north := []string{"relay.000003", "300", "Table_map", "1", "350", "table_id: 19 (north.note)"}
	foreign := []string{"relay.000002", "500", "Rotate", "1", "0", "bin.000007;pos=4"}
	rotate := []string{"relay.000002", "600", "Rotate", "2", "650", "relay.000003;pos=4"}
	const second = "SHOW RELAYLOG EVENTS IN 'relay.000002' FROM 400"
	for what, c := range map[string]struct {
		status  [][]string
		writer  bool
		answers map[string][][]string
		fails   error
		applied bool
		gated   bool
		asks    int // SHOW RELAYLOG EVENTS
	}{
		"all of it":            {status: status("Yes", "1-1-20,2-2-5", "0", "", "400"), applied: true},
		"it is at it":          {status: status("Yes", "1-1-18,2-2-5", "0", "", "400")},
		"it was stopped":       {status: status("No", "1-1-18,2-2-5", "0", "", "400")},
		"the writer's own":     {status: status("No", "1-1-18,2-2-5", "1062", "", "400"), writer: true},
		"at it, with an error": {status: status("Yes", "1-1-18,2-2-5", "1062", "", "400")},
		"the neighbour's alone": {status: status("No", "1-1-18,2-2-5", "1062", "", "400"), applied: true, asks: 1,
			answers: map[string][][]string{second: relayed(south, foreign)}},
		"ours behind it": {status: status("No", "1-1-18,2-2-5", "1062", "", "400"), asks: 2,
			answers: map[string][][]string{second: relayed(south, foreign, rotate), "SHOW RELAYLOG EVENTS IN 'relay.000003' FROM 4": relayed(north)}},
		"the neighbour's in two files": {status: status("No", "1-1-18,2-2-5", "1062", "", "400"), applied: true, asks: 2,
			answers: map[string][][]string{second: relayed(south, rotate), "SHOW RELAYLOG EVENTS IN 'relay.000003' FROM 4": relayed(south)}},
		"another log by now": {status: status("No", "1-1-18,2-2-5", "1062", "", "400"), fails: refusal(1220), asks: 1},
		"our gate": {status: status("No", "1-1-18,2-2-5", "1644", "gate; query: REPLACE INTO hipaakit.gate VALUES ('north', 2)", "400"), gated: true, asks: 1,
			answers: map[string][][]string{second: relayed(north)}},
		"the neighbour's gate": {status: status("No", "1-1-18,2-2-5", "1644", "gate; query: REPLACE INTO hipaakit.gate VALUES ('south', 2)", "400"), applied: true, asks: 1,
			answers: map[string][][]string{second: relayed(south)}},
	} {
		conn := &scripted{answers: map[string][][]string{"SHOW ALL SLAVES STATUS": c.status}, fails: map[string]error{}}
		for q, rows := range c.answers {
			conn.answers[q] = rows
		}
		if c.fails != nil {
			conn.fails["SHOW RELAYLOG"] = c.fails
		}
		l := &looker{app: "north", node: "n", schemas: []string{"north"}}
		f, err := l.follow(t.Context(), conn, c.writer, "")
		if err != nil || f.applied != c.applied || f.gated != c.gated || !f.receiving || f.lag != 3 || f.received != "1-1-20,2-2-5" {
			t.Errorf("%s: %+v, %v", what, f, err)
		}
		if n := len(conn.asked) - 1; n != c.asks {
			t.Errorf("%s: %d pieces were read: %q", what, n, conn.asked)
		}
	}
}

// What has been found stays found, for nothing; a log that was replaced is read anew.
func TestRelayLogIsNotReadTwice(t *testing.T) {
	const from = "SHOW RELAYLOG EVENTS IN 'relay.000002' FROM 400"
	north := []string{"relay.000002", "400", "Table_map", "1", "450", "table_id: 19 (north.note)"}
	south := []string{"relay.000002", "400", "Table_map", "1", "450", "table_id: 19 (south.note)"}
	conn := &scripted{fails: map[string]error{}, answers: map[string][][]string{
		"SHOW ALL SLAVES STATUS": status("No", "1-1-18,2-2-5", "1062", "", "400"), from: relayed(north)}}
	l := &looker{app: "north", node: "n", schemas: []string{"north"}}
	applied := func() bool {
		t.Helper()
		f, err := l.follow(t.Context(), conn, false, "")
		must(t, err)
		return f.applied
	}
	for range 3 {
		if applied() {
			t.Fatal("north's row is not applied")
		}
	}
	if len(conn.asked) != 4 {
		t.Errorf("asked %q", conn.asked)
	}
	// It was repaired, and stopped at the same place of another log.
	conn.answers["SHOW ALL SLAVES STATUS"] = status("No", "1-1-19,2-2-5", "1062", "", "700")
	conn.fails["SHOW RELAYLOG"] = refusal(1220)
	if applied() {
		t.Error("a log that could not be read")
	}
	delete(conn.fails, "SHOW RELAYLOG")
	conn.answers["SHOW RELAYLOG EVENTS IN 'relay.000002' FROM 700"] = relayed(south)
	if !applied() {
		t.Error("the neighbour's row alone is in the way")
	}
}

func TestRelayLogThatWasReplacedIsReadFromItsStart(t *testing.T) {
	south := []string{"relay.000002", "400", "Table_map", "1", "450", "table_id: 19 (south.note)"}
	north := []string{"relay.000002", "400", "Table_map", "1", "450", "table_id: 19 (north.note)"}
	rotate := []string{"relay.000002", "600", "Rotate", "2", "650", "relay.000003;pos=4"}
	first, second := "SHOW RELAYLOG EVENTS IN 'relay.000002'", "SHOW RELAYLOG EVENTS IN 'relay.000003'"
	conn := &scripted{fails: map[string]error{second: refusal(1220)}, answers: map[string][][]string{
		"SHOW ALL SLAVES STATUS": status("No", "1-1-18,2-2-5", "1062", "", "400"), first: relayed(south, rotate)}}
	l := &looker{app: "north", node: "n", schemas: []string{"north"}}
	if f, err := l.follow(t.Context(), conn, false, ""); err != nil || f.applied {
		t.Fatalf("%+v, %v", f, err)
	}
	conn.fails = nil
	conn.answers[first], conn.answers[second] = relayed(north), relayed(south)
	if f, err := l.follow(t.Context(), conn, false, ""); err != nil || f.applied {
		t.Errorf("north's row in the new log's first file is passed over: %+v, %v", f, err)
	}
}
