package dbfailover

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A server whose sql_mode has NO_BACKSLASH_ESCAPES: the pattern of a schema with an
// underscore then has two backslashes, the filter matches nothing, and a tail is taken
// over although Status says "quarantined".
func TestScriptUnderNoBackslashEscapes(t *testing.T) {
	t.Parallel()
	d := &duo{pair: testbed.MariaDBPair(t, testbed.Options{Replicated: true}), apps: map[string]App{}}
	for _, s := range d.pair.Servers {
		s.SQL("SET GLOBAL sql_mode=CONCAT(@@GLOBAL.sql_mode, ',NO_BACKSLASH_ESCAPES')")
	}
	a := App{Name: "north", User: "north_app", Schemas: []string{"north", "north_log"}, Folder: t.TempDir(), Monitor: login("north_mon")}
	d.apps["north"] = a
	d.install(t, a, 1)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	two.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', TRUE)", "SET sql_log_bin=1")
	var filter string
	must(t, two.Root().QueryRow("SELECT @@GLOBAL.replicate_wild_ignore_table").Scan(&filter))
	if strings.Contains(filter, `\\_`) {
		t.Errorf("the filter is %s", filter)
	}
	one.SQL("CREATE TABLE north_log.x (id INT PRIMARY KEY)", "INSERT INTO north_log.x VALUES (1)")
	two.AwaitCaughtUp(one)
	if n := count(t, two, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='north_log' AND TABLE_NAME='x'"); n != 0 {
		t.Error("north_log.x was taken over by a server in quarantine")
	}
}

// MariaDB 10.11: what PUBLIC may do, every account may do.
func TestRightsThroughPublicAreRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	if count(t, d.pair.Servers[0], "SELECT SUBSTRING_INDEX(VERSION(), '.', 1) * 100 + SUBSTRING_INDEX(SUBSTRING_INDEX(VERSION(), '.', 2), '.', -1)") < 1011 {
		if _, err := d.pair.Servers[0].Root().Exec("GRANT INSERT ON south.* TO PUBLIC"); err == nil {
			t.Error("everybody may have been given a right, in a version that knows no PUBLIC")
		}
		list, err := d.station(t, "north", 1).refusals(t.Context()) // it does without
		if must(t, err); len(list) > 0 {
			t.Errorf("%q", list)
		}
		return
	}
	for _, s := range d.pair.Servers {
		s.SQL("SET sql_log_bin=0", "GRANT INSERT, UPDATE, DELETE, CREATE ON south.* TO PUBLIC")
	}
	if _, err := d.direct(t, "north", 1).Exec("CREATE TABLE south.mine (id INT)"); err != nil {
		t.Fatalf("north cannot write to south: %v", err)
	}
	list, err := d.station(t, "north", 1).refusals(t.Context())
	must(t, err)
	if !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "schema") }) {
		t.Errorf("north's account may write to south's schema, and nobody says so: %q", list)
	}
}

// With one account for both the fence kills its own session, and locks the checks out.
func TestMonitorIsNotTheFencedAccount(t *testing.T) {
	a := goodApp(t)
	if _, err := Script(a, Install{PrimaryID: 1, Monitor: a.User + "@127.0.0.1"}); err == nil {
		t.Error("the script gives the fenced account the monitor's procedures")
	}
	a.Monitor = login(a.User)
	a, err := a.normal()
	must(t, err)
	if _, err := a.Monitor(t.Context(), Server{}); !errors.Is(err, errMonitorFenced) {
		t.Errorf("the checks may log in with it: %v", err)
	}
}
