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

func TestTransactionsAreNamedByTheirFirstEvent(t *testing.T) {
	for _, c := range []struct {
		kind, info, name string
		ok               bool
	}{
		{"Gtid", "BEGIN GTID 1-1-11", "1-1-11", true},
		{"Gtid", "GTID 1-1-13 cid=5", "1-1-13", true},
		{"Gtid", "SET @@SESSION.GTID_NEXT= '" + uuidOne + ":17'", uuidOne + ":17", true},
		{"Gtid_tagged_log_event", "SET @@SESSION.GTID_NEXT= '" + uuidOne + ":tag:17'", uuidOne + ":tag:17", true},
		{"Query", "SET @@SESSION.GTID_NEXT= '" + uuidOne + ":17'", "", false},
		{"Anonymous_Gtid", "SET @@SESSION.GTID_NEXT= 'ANONYMOUS'", "", false},
	} {
		if name, ok := gtidOf(event{kind: c.kind, info: c.info}); name != c.name || ok != c.ok {
			t.Errorf("%s %q: %q, %v", c.kind, c.info, name, ok)
		}
	}
}

func TestMySQLTailCountsTransactionsBeyondTheSet(t *testing.T) {
	s := newSearch(uuidOne+":1-10:12,"+uuidTwo+":1-4", origin{id: 1, uuid: uuidOne}, []string{"north"})
	gtid := func(name string) event {
		return event{kind: "Gtid", server: 1, info: "SET @@SESSION.GTID_NEXT= '" + name + "'"}
	}
	rows := event{kind: "Table_map", server: 1, info: "table_id: 1 (north.a)"}
	for _, e := range []event{
		gtid(uuidOne + ":10"), rows, gtid(uuidOne + ":11"), rows, rows, // in a gap of the set
		gtid(uuidOne + ":12"), rows, gtid(uuidTwo + ":5"), rows, // the other server's
		gtid(uuidOne + ":13"), {kind: "Table_map", info: "table_id: 3 (south.a)"},
		gtid(uuidOne + ":14"), {kind: "Query", info: "use `north`; DROP TABLE a /* xid=5 */"},
	} {
		s.take(e)
	}
	text := s.found.describe(MySQL.dialect(), uuidOne+":1-10")
	if s.found.transactions != 2 || s.found.first != uuidOne+":11" || s.found.last != uuidOne+":14" || !strings.Contains(text, "mysqlbinlog") {
		t.Errorf("%+v: %s", s.found, text)
	}
}
