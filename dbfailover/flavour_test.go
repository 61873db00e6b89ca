package dbfailover

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func TestFlavourIsToldByTheGreeting(t *testing.T) {
	for version, want := range map[string]Flavour{
		"5.5.5-10.11.19-MariaDB-0+deb12u1": MariaDB,
		"11.8.3-MariaDB":                   MariaDB,
		"10.6.22-mariadb-log":              MariaDB,
		"9.7.4-2":                          MySQL,
		"8.0.40":                           MySQL,
		"8.0.36-28":                        MySQL,
	} {
		if got := flavourOf(version); got != want {
			t.Errorf("%q is %v", version, got)
		}
	}
	m := &met{}
	if _, known := m.get(); known {
		t.Error("known before anybody greeted")
	}
	m.note("9.7.4")
	if f, known := m.get(); f != MySQL || !known {
		t.Errorf("%v, %v", f, known)
	}
	if (*endpoint)(nil).dialect() != MariaDB.dialect() {
		t.Error("no server speaks MySQL's dialect")
	}
}

func TestFlavoursHaveNamesAndScripts(t *testing.T) {
	a := App{Name: "clinic", User: "clinic", Schemas: []string{"clinic"}}
	texts := map[string]bool{}
	for _, f := range []Flavour{MariaDB, MySQL} {
		text, err := Script(a, Install{PrimaryID: 1, Monitor: "mon@10.0.0.%", Flavour: f})
		must(t, err)
		texts[text] = true
		for _, name := range callable(f) {
			if !strings.Contains(text, "PROCEDURE hipaakit."+name+"_clinic") {
				t.Errorf("%v: no procedure %s", f, name)
			}
		}
	}
	if len(texts) != 2 || MariaDB.String() != "MariaDB" || MySQL.String() != "MySQL" {
		t.Error("the flavours are one")
	}
	if _, err := Script(a, Install{PrimaryID: 1, Monitor: "mon@10.0.0.%", Flavour: 7}); err == nil || !strings.Contains(err.Error(), "flavour(7)") {
		t.Errorf("an unknown flavour: %v", err)
	}
	a.User = strings.Repeat("u", 33)
	if _, err := Script(a, Install{PrimaryID: 1, Monitor: "mon@10.0.0.%", Flavour: MySQL}); err == nil {
		t.Error("MySQL has no such account")
	}
	if _, err := Script(a, Install{PrimaryID: 1, Monitor: "mon@10.0.0.%"}); err != nil {
		t.Errorf("MariaDB has: %v", err)
	}
}

// Every procedure, table and error of one script is in the other one: whoever changes one
// has to change both.
func TestScriptsHaveTheSameParts(t *testing.T) {
	for _, word := range []string{"PROCEDURE hipaakit.", "TABLE IF NOT EXISTS hipaakit.", "MYSQL_ERRNO = "} {
		one, two := parts(mariadbScript, word), parts(mysqlScript, word)
		for name := range one {
			if !two[name] {
				t.Errorf("MySQL's script lacks %s%s", word, name)
			}
		}
		for name := range two {
			if only := map[string]bool{"30007": true, "compose": true, "evict_one": true, "unseen": true, "log_{{.App}}": true}; !one[name] && !only[name] {
				t.Errorf("MariaDB's script lacks %s%s", word, name)
			}
		}
		if len(one) < 4 {
			t.Errorf("%d parts of %q", len(one), word)
		}
	}
}

func parts(text, word string) map[string]bool {
	found := map[string]bool{}
	for _, rest := range strings.Split(text, word)[1:] {
		name, _, _ := strings.Cut(rest, "(")
		if fields := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" ,\n;", r) }); len(fields) > 0 {
			found[fields[0]] = true
		}
	}
	return found
}

func TestServersOfTwoFlavoursAreNoPair(t *testing.T) {
	t.Parallel()
	mysql := testbed.NewPair(t, testbed.Options{MySQL: true})
	d := newDuo(t, testbed.Options{})
	a := d.apps["north"]
	mysql.Servers[1].SQL("CREATE USER north_mon@'127.0.0.1' " + mysql.Servers[1].Identified(duoPassword) + " REQUIRE SSL")
	cfg := d.config("north", Fast)
	cfg.Topology, cfg.App = Replicated, a
	cfg.Secondary = Server{Addr: mysql.Servers[1].Addr, ServerName: mysql.Servers[1].Name}
	roots := d.pair.Authority.Pool()
	roots.AppendCertsFromPEM(mysql.Authority.PEM)
	cfg.TLS.RootCAs = roots
	c, err := New(cfg)
	if err == nil {
		_ = c.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "MariaDB") || !strings.Contains(err.Error(), "MySQL") {
		t.Errorf("got %v", err)
	}
}

// logShow is a connection on which SHOW BINLOG EVENTS answers as a server does: from a
// position on, a number of rows.
type logShow struct {
	driverConn
	events []event
}

func (s logShow) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	var file string
	var pos, limit int
	if _, err := fmt.Sscanf(strings.NewReplacer("'", " ", "(", " ", ")", " ", ",", " ").Replace(query), "CALL hipaakit.log_north BINLOG %s %d %d", &file, &pos, &limit); err != nil {
		return nil, err
	}
	list := &listing{}
	for i, e := range s.events {
		// Nothing begins in the middle of a payload: its events are at the position of the next one.
		if at := e.pos == fmt.Sprint(pos) && e.kind != "inner"; at {
			list.rows = s.events[i:min(len(s.events), i+limit)]
			return list, nil
		}
	}
	return list, nil
}

type listing struct {
	rows []event
	next int
}

func (l *listing) Columns() []string { return make([]string, 6) }
func (l *listing) Close() error      { return nil }
func (l *listing) Next(values []driver.Value) error {
	if l.next == len(l.rows) {
		return io.EOF
	}
	e := l.rows[l.next]
	l.next++
	kind := e.kind
	if kind == "inner" {
		kind, _, _ = strings.Cut(e.info, "|")
	}
	_, info, found := strings.Cut(e.info, "|")
	if !found {
		info = e.info
	}
	for i, v := range []string{"bin.000001", e.pos, kind, fmt.Sprint(e.server), "0", info} {
		values[i] = []byte(v)
	}
	return nil
}

// A compressed transaction has more events than fit into a piece, wherever pieces end.
func TestCompressedTransactionsAreReadWhole(t *testing.T) {
	for inner := piece - 3; inner <= piece+3; inner++ {
		for _, before := range []int{0, 1, 2, piece - 2, piece - 1} {
			c := logShow{}
			pos := 4
			add := func(kind, info string) {
				c.events = append(c.events, event{pos: fmt.Sprint(pos), kind: kind, server: 1, info: info})
				pos++
			}
			add("Format_desc", "")
			for range before {
				add("Previous_gtids", "")
			}
			for n := range 2 {
				add("Gtid", fmt.Sprintf("SET @@SESSION.GTID_NEXT= '%s:%d'", uuidOne, n+1))
				add("Transaction_payload", "compression='ZSTD', decompressed_size=9 bytes")
				for range inner {
					c.events = append(c.events, event{pos: fmt.Sprint(pos), kind: "inner", server: 1, info: "Write_rows|table_id: 1"})
				}
				c.events = append(c.events, event{pos: fmt.Sprint(pos), kind: "inner", server: 1, info: "Table_map|table_id: 1 (north.t)"})
				c.events = append(c.events, event{pos: fmt.Sprint(pos), kind: "inner", server: 1, info: "Xid|COMMIT"})
			}
			add("Gtid", "SET @@SESSION.GTID_NEXT= '"+uuidOne+":3'")
			add("Query", "use `north`; DROP TABLE t")
			s := newSearch("", origin{uuid: uuidOne}, []string{"north"})
			p := place{file: "bin.000001", pos: "4"}
			query := func(file, pos string, limit int) string {
				return MySQL.dialect().log("north", "BINLOG", file, pos, limit)
			}
			for more := true; more; {
				var err error
				more, err = p.advance(t.Context(), c, query, s.take)
				must(t, err)
			}
			if s.found.transactions != 3 {
				t.Errorf("%d inner events, %d before: %d transactions", inner, before, s.found.transactions)
			}
		}
	}
}
