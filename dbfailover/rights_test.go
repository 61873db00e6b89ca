package dbfailover

import (
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// An account whose rights end at the application's schemas is the premise of every fence:
// what it writes elsewhere is nobody's tail, and a lock that it may take on the whole server
// keeps its own fence waiting.
func TestRightsBeyondTheApplicationsSchemasAreRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	s := d.station(t, "north", 1)
	one.SQL("SET sql_log_bin=0", "CREATE USER ''@'%'", "CREATE DATABASE spare", "CREATE TABLE spare.t (id INT PRIMARY KEY, x INT)", "CREATE PROCEDURE spare.p() DO 0")
	const who, everybody = " TO north_app@'127.0.0.1'", " TO ''@'%'"
	cases := map[string]string{
		"INSERT ON south.*" + everybody:                        "another application's schemas",
		"INSERT ON spare.*" + everybody:                        "spare, as every account may",
		"INSERT ON spare.t" + who:                              "a table that is not the application's: spare.t",
		"UPDATE (x) ON spare.t" + who:                          "a table that is not the application's: spare.t",
		"INDEX ON spare.t" + who:                               "a table that is not the application's: spare.t",
		"EXECUTE ON PROCEDURE spare.p" + who:                   "a procedure that is not the application's: spare.p",
		"EXECUTE ON spare.*" + who:                             "not among the application's: spare",
		"INDEX ON south.*" + who:                               "another application's schemas",
		"REFERENCES ON south.*" + who:                          "another application's schemas",
		"CREATE VIEW ON south.*" + who:                         "another application's schemas",
		"CREATE ROUTINE ON south.*" + who:                      "another application's schemas",
		"ALTER ROUTINE ON south.*" + who:                       "another application's schemas",
		"SELECT, LOCK TABLES ON south.*" + who:                 "another application's schemas",
		"INDEX ON *.*" + who:                                   "the right INDEX on every schema",
		"CREATE VIEW ON *.*" + who:                             "the right CREATE VIEW on every schema",
		"CREATE ROUTINE ON *.*" + who:                          "the right CREATE ROUTINE on every schema",
		"LOCK TABLES ON *.*" + who:                             "the right LOCK TABLES on every schema",
		"REFERENCES ON *.*" + who:                              "the right REFERENCES on every schema",
		"RELOAD ON *.*" + who:                                  "the right RELOAD",
		"SHUTDOWN ON *.*" + who:                                "the right SHUTDOWN",
		"SELECT, SHOW VIEW ON south.*" + who:                   "", // who reads there does no harm
		"SELECT, CREATE TEMPORARY TABLES ON *.*" + who:         "",
		"SELECT (x), SHOW VIEW ON spare.t" + who:               "",
		"EXECUTE, INDEX, LOCK TABLES ON `north\\_log`.*" + who: "",
		"SELECT ON south.*" + everybody:                        "",
	}
	flavours := map[Flavour][]string{
		MySQL:   {"BACKUP_ADMIN", "FLUSH_TABLES"},
		MariaDB: {"BINLOG ADMIN", "BINLOG REPLAY", "CONNECTION ADMIN", "REPLICATION SLAVE ADMIN", "DELETE HISTORY"},
	}
	for _, right := range flavours[d.flavour] {
		cases[right+" ON *.*"+who] = "the right " + right
	}
	for grant, want := range cases {
		one.SQL("SET sql_log_bin=0", "GRANT "+grant)
		list, err := s.refusals(t.Context())
		if err != nil || (len(list) == 0) != (want == "") || !strings.Contains(strings.Join(list, "; "), want) {
			t.Errorf("after GRANT %s: %v, %v", grant, list, err)
		}
		one.SQL("SET sql_log_bin=0", "REVOKE "+strings.Replace(grant, " TO ", " FROM ", 1))
	}
	if list, err := s.refusals(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("in the end: %v, %v", list, err)
	}
}
