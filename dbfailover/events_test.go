package dbfailover

import (
	"strings"
	"testing"
)

func TestEventsOfTheApplicationAreFound(t *testing.T) {
	for _, c := range []struct {
		kind, info string
		touches    bool
	}{
		{"Table_map", "table_id: 18 (north.note)", true},
		{"Table_map", "table_id: 18 (north_log.l)", true},
		{"Table_map", "table_id: 18 (northern.note)", false},
		{"Table_map", "table_id: 18 (south.north)", false},
		{"Table_map", "", false},
		{"Query", "use `north`; CREATE TABLE a (id INT)", true},
		{"Query", "use `south`; INSERT INTO north.note VALUES (1)", true},
		{"Query", "CREATE DATABASE north", true},
		{"Query", "use `south`; CREATE TABLE northern (id INT)", false},
		{"Query", "use `south`; UPDATE my_north SET a=1", false},
		{"Query", "BEGIN", false},
		{"Query_compressed", "use `north`; CREATE TABLE a (id INT)", true}, // log_bin_compress
		{"Execute_load_query", "use `north`; LOAD DATA INFILE 'x' INTO TABLE a ;file_id=1", true},
		// The control schema names applications.
		{"Query", "use `hipaakit`; REPLACE INTO hipaakit.canary VALUES ('north', 1, 'n', 5)", false},
		{"Write_rows_v1", "table_id: 18 flags: STMT_END_F", false},
		{"Xid", "COMMIT /* xid=83 */", false},
	} {
		if got := (event{kind: c.kind, info: c.info}).touches([]string{"north", "north_log"}); got != c.touches {
			t.Errorf("%s %q: %v", c.kind, c.info, got)
		}
	}
}

func TestTailCountsTransactionsBeyondThePosition(t *testing.T) {
	s := newSearch("1-1-10,2-2-4", origin{id: 1}, []string{"north"})
	for _, e := range []event{
		{kind: "Gtid", server: 1, info: "BEGIN GTID 1-1-10"},
		{kind: "Table_map", server: 1, info: "table_id: 1 (north.a)"}, // replicated
		{kind: "Gtid", server: 1, info: "BEGIN GTID 1-1-11"},
		{kind: "Table_map", server: 1, info: "table_id: 1 (north.a)"},
		{kind: "Table_map", server: 1, info: "table_id: 2 (north.b)"}, // the same transaction
		{kind: "Gtid", server: 2, info: "BEGIN GTID 2-2-5"},
		{kind: "Table_map", server: 2, info: "table_id: 1 (north.a)"}, // the other server's
		{kind: "Gtid", server: 1, info: "BEGIN GTID 1-1-12"},
		{kind: "Table_map", server: 1, info: "table_id: 3 (south.a)"},
		{kind: "Gtid", server: 1, info: "GTID 1-1-13"}, // DDL has no BEGIN
		{kind: "Query", server: 1, info: "use `north`; DROP TABLE a"},
	} {
		s.take(e)
	}
	found := s.found
	text := found.describe(MariaDB.dialect(), "1-1-10,2-2-4")
	if found.transactions != 2 || found.first != "1-1-11" || found.last != "1-1-13" || !strings.Contains(text, "mariadb-binlog") {
		t.Errorf("%+v: %s", found, text)
	}
	if (finding{}).describe(MariaDB.dialect(), "1-1-1") != "" {
		t.Error("nothing has a description")
	}
}
