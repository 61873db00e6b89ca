package dbfailover

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestScriptLocksTheAccountWhereItDoesNotWrite(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	for name, writer := range map[string]int{"north": 1, "south": 2} {
		for id := 1; id <= 2; id++ {
			s := d.look(t, name, id)
			if s.id != uint32(id) || s.locked != (id != writer) || s.top.number != 1 || s.top.server != uint32(writer) {
				t.Errorf("%s on server %d: %+v", name, id, s)
			}
			if !s.feed.running() || !s.feed.applied || s.tail != "" || s.quarantined || s.neighbours != btoi(id != writer) {
				t.Errorf("%s on server %d: %+v", name, id, s)
			}
			if d.lockedOut(t, name, id) != s.locked {
				t.Errorf("%s on server %d: locked is %v", name, id, s.locked)
			}
		}
	}
	if list, err := d.station(t, "north", 1).refusals(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("refuses %v, %v", list, err)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAccountsThatCannotBeFencedAreRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	s := d.station(t, "north", 1)
	one.SQL("SET sql_log_bin=0", "CREATE TABLE south.t (id INT)", "CREATE ROLE inner_role", "CREATE ROLE outer_role",
		"GRANT READ_ONLY ADMIN ON *.* TO inner_role", "GRANT INSERT ON south.* TO inner_role", "GRANT inner_role TO outer_role")
	for _, c := range []struct{ do, undo, want string }{
		{"GRANT SUPER ON *.* TO north_app@'127.0.0.1'", "REVOKE SUPER ON *.* FROM north_app@'127.0.0.1'", "SUPER"},
		{"GRANT CREATE USER ON *.* TO north_app@'127.0.0.1'", "REVOKE CREATE USER ON *.* FROM north_app@'127.0.0.1'", "CREATE USER"},
		{"GRANT READ_ONLY ADMIN ON *.* TO north_app@'127.0.0.1'", "REVOKE READ_ONLY ADMIN ON *.* FROM north_app@'127.0.0.1'", "READ_ONLY ADMIN"},
		{"CREATE DEFINER=north_app@'127.0.0.1' EVENT north.e ON SCHEDULE EVERY 1 DAY DO DO 1", "DROP EVENT north.e", "events"},
		{"GRANT INSERT ON south.* TO north_app@'127.0.0.1'", "REVOKE INSERT ON south.* FROM north_app@'127.0.0.1'", "another application's schemas"},
		{"GRANT SELECT, INSERT ON *.* TO north_app@'127.0.0.1'", "REVOKE SELECT, INSERT ON *.* FROM north_app@'127.0.0.1'", "on every schema"},
		{"GRANT EXECUTE ON hipaakit.* TO north_app@'127.0.0.1'", "REVOKE EXECUTE ON hipaakit.* FROM north_app@'127.0.0.1'", "another application's schemas"},
		{"GRANT EXECUTE ON PROCEDURE hipaakit.lock_south TO north_app@'127.0.0.1'", "REVOKE EXECUTE ON PROCEDURE hipaakit.lock_south FROM north_app@'127.0.0.1'", "a procedure that is not the application's: hipaakit.lock_south"},
		{"GRANT INSERT ON south.t TO north_app@'127.0.0.1'", "REVOKE INSERT ON south.t FROM north_app@'127.0.0.1'", "a table that is not the application's: south.t"},
		{"GRANT INSERT ON spare.* TO north_app@'127.0.0.1'", "REVOKE INSERT ON spare.* FROM north_app@'127.0.0.1'", "not among the application's: spare"},
		{"GRANT outer_role TO north_app@'127.0.0.1'", "REVOKE outer_role FROM north_app@'127.0.0.1'", "READ_ONLY ADMIN"},
		{"GRANT inner_role TO north_app@'127.0.0.1'", "REVOKE inner_role FROM north_app@'127.0.0.1'", "another application's schemas"},
		{"INSERT INTO hipaakit.owned VALUES ('south', 'north', 'north.%')", "DELETE FROM hipaakit.owned WHERE app='south' AND schema_name='north'", "belong to the application south"},
	} {
		one.SQL("SET sql_log_bin=0", c.do)
		list, err := s.refusals(t.Context())
		if err != nil || len(list) == 0 || !strings.Contains(strings.Join(list, "; "), c.want) {
			t.Errorf("after %q: %v, %v", c.do, list, err)
		}
		one.SQL("SET sql_log_bin=0", c.undo)
		if list, err := s.refusals(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("after %q: %v, %v", c.undo, list, err)
		}
	}
}

// A server that was away is locked and has not heard of the epoch in use; one that was set
// up anew has not either.
func TestScriptOpensNoServer(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	script, err := Statements(d.apps["north"], Install{PrimaryID: 1, Monitor: "north_mon@127.0.0.1", Flavour: d.flavour})
	must(t, err)
	one.SQL(script...)
	if d.lockedOut(t, "north", 1) {
		t.Error("run again, it locks the writer")
	}
	one.Kill()
	_, err = d.station(t, "north", 2).promote(t.Context(), 2, true, false)
	must(t, err)
	one.Start()
	one.SQL(append([]string{"SET sql_log_bin=0", "CREATE USER north_app@'127.0.0.0/255.0.0.0'"}, script...)...)
	if !d.look(t, "north", 1).locked {
		t.Error("run again, it opens a server that was away")
	}
	one.SQL("SET sql_log_bin=0", "DROP DATABASE hipaakit", "ALTER USER north_app@'127.0.0.1' ACCOUNT UNLOCK")
	one.SQL(script...)
	if !d.lockedOut(t, "north", 1) {
		t.Error("a server that was set up anew is open")
	}
}

func TestFenceKillsOnlyItsOwnAccount(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	one.SQL("SET sql_log_bin=0", "CREATE USER NORTH_APP@'127.0.0.1' "+one.Identified(duoPassword)+" REQUIRE SSL")
	conn, err := past{d.endpoint(t, "north", 1, "", login("NORTH_APP"))}.Connect(t.Context())
	must(t, err)
	defer conn.Close()
	left, _, err := d.station(t, "north", 1).lock(t.Context(), 1)
	must(t, err)
	if _, err := ask(t.Context(), conn.(driverConn), "SELECT 1"); err != nil || left != 0 {
		t.Errorf("another account's connection: %v; %d threads left", err, left)
	}
}

func TestTailSeesCompressedStatements(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	one.SQL("SET GLOBAL log_bin_compress=ON")
	since := d.look(t, "north", 1).at
	one.SQL("CREATE TABLE north.t (id INT COMMENT '" + strings.Repeat("x", 500) + "')")
	if found, err := d.station(t, "north", 1).tail(t.Context(), since); err != nil || !strings.HasPrefix(found, "1 transactions") {
		t.Errorf("tail %q, %v", found, err)
	}
}

// The fence of the package comment: what was open cannot commit, it survives a crash,
// and the neighbour does not notice.
func TestFenceEndsOpenTransactionsAndSurvivesACrash(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	app, neighbour := d.direct(t, "north", 1), d.direct(t, "south", 2)
	one.SQL("CREATE TABLE north.note (id INT PRIMARY KEY)")
	two.AwaitCaughtUp(one)
	tx, err := app.Begin()
	must(t, err)
	_, err = tx.Exec("INSERT INTO note VALUES (1)")
	must(t, err)

	begin := time.Now()
	left, at, err := d.station(t, "north", 1).fence(t.Context(), epoch{number: 2, server: 2}, true, nil)
	must(t, err)
	t.Logf("fenced in %v at %s", time.Since(begin), at)
	if left != 0 || !covers(d.look(t, "north", 1).at, at) {
		t.Errorf("%d threads left, position %q", left, at)
	}
	if err := tx.Commit(); err == nil {
		t.Error("the open transaction was committed")
	}
	one.Kill()
	one.Start()
	if s := d.look(t, "north", 1); !s.locked || s.top != (epoch{2, 2, at}) {
		t.Errorf("after a crash: %+v", s)
	}
	if !d.lockedOut(t, "north", 1) {
		t.Error("the application gets in after a crash")
	}
	if err := neighbour.Ping(); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	if s := d.look(t, "north", 2); s.top.number != 1 {
		t.Errorf("the epoch was replicated: %+v", s.top)
	}
}

func TestEpochsAreTakenOnce(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one, two := d.station(t, "north", 1), d.station(t, "north", 2)
	_, _, err := one.fence(t.Context(), epoch{number: 2, server: 2}, true, nil)
	must(t, err)
	if err := one.unfence(t.Context(), 1); !serverSaid(err, errOvertaken) {
		t.Errorf("an epoch that ended was opened again: %v", err)
	}
	if _, err := one.promote(t.Context(), 2, false, false); !serverSaid(err, errOvertaken) {
		t.Errorf("an epoch was given to two servers: %v", err)
	}
	made, err := two.promote(t.Context(), 2, false, false)
	must(t, err)
	if again, err := two.promote(t.Context(), 2, false, false); err != nil || again != made || made == "" { // by another node
		t.Errorf("another node is told %q, %v, want %q", again, err, made)
	}
	if _, _, err := two.fence(t.Context(), epoch{number: 2, server: 1}, true, nil); !serverSaid(err, errOvertaken) {
		t.Errorf("an epoch was given to two servers: %v", err)
	}
	// Many nodes at once agree.
	var work sync.WaitGroup
	for range 8 {
		s := d.station(t, "north", 2)
		work.Go(func() {
			if _, err := s.promote(t.Context(), 3, false, false); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if s := d.look(t, "north", 2); s.top.number != 3 || s.locked {
		t.Errorf("%+v", s)
	}
}

// A server that was away applies nothing of the new epoch before it has been told.
func TestGateStopsAServerThatWasNotFenced(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	one.SQL("CREATE TABLE north.note (id INT PRIMARY KEY, text VARCHAR(9))", "INSERT INTO north.note VALUES (1, 'start')")
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut() // a tail that never gets out
	one.SQL("UPDATE north.note SET text='tail' WHERE id=1", "CREATE TABLE north_log.l (id INT)", "INSERT INTO hipaakit.canary VALUES ('north', 1, 'x', 1)")
	one.Kill()
	_, err := d.station(t, "north", 2).promote(t.Context(), 2, true, false)
	must(t, err)
	recorded := d.look(t, "north", 2).top.gtid
	two.SQL("UPDATE north.note SET text='new' WHERE id=1", "CREATE TABLE south.other (id INT)")
	one.Start()
	d.pair.Feeds[1].Heal()

	eventually(t, "the gate stops server 1", func() bool { return d.look(t, "north", 1).feed.gated })
	s := d.station(t, "north", 1)
	found, err := s.tail(t.Context(), recorded)
	if err != nil || !strings.Contains(found, "2 transactions") {
		t.Fatalf("tail: %q, %v", found, err)
	}
	if _, _, err := s.fence(t.Context(), epoch{2, 2, recorded}, false, &found); err != nil {
		t.Fatal(err)
	}
	must(t, s.resume(t.Context()))
	one.AwaitCaughtUp(two)
	two.AwaitCaughtUp(one)
	if n := count(t, one, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='south' AND table_name='other'"); n != 1 {
		t.Error("the neighbour's table did not arrive")
	}
	for id, want := range map[int]string{1: "tail", 2: "new"} {
		var got string
		must(t, d.pair.Servers[id-1].Root().QueryRow("SELECT text FROM north.note").Scan(&got))
		if got != want {
			t.Errorf("server %d has %q, want %q", id, got, want)
		}
	}
	// Both filters outlive a restart, and replication comes back by itself.
	for _, srv := range d.pair.Servers {
		srv.Kill()
		srv.Start()
		eventually(t, "replication runs again", func() bool { return d.look(t, "north", srv.ID).feed.running() })
		status, err := srv.Replication()
		must(t, err)
		if got := status["Replicate_Wild_Ignore_Table"]; !slices.Equal(strings.Split(got, ","), []string{"north.%", `north\_log.%`}) {
			t.Errorf("server %d ignores %q after a restart", srv.ID, got)
		}
	}
	if _, err := s.promote(t.Context(), 3, false, false); !serverSaid(err, errTainted) {
		t.Errorf("a tainted server was promoted: %v", err)
	}
}

func count(t testing.TB, s *testbed.Server, query string) (n int) {
	t.Helper()
	must(t, s.Root().QueryRow(query).Scan(&n))
	return n
}

func TestProceduresAreNotForStrangers(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	s := d.station(t, "north", 1)
	for _, query := range []string{
		"CALL hipaakit.fence_south(9, 9, '', '')", "CALL hipaakit.repaired_north('')", "CALL hipaakit.set_lock('root', TRUE)",
		"SELECT * FROM mysql.global_priv", "INSERT INTO hipaakit.epoch VALUES ('north', 9, 9, '', NOW())", "SELECT * FROM north.note",
	} {
		if _, err := s.call(t.Context(), query); !serverSaid(err, 1142, 1370, 1044) {
			t.Errorf("%s: got %v, want a refusal", query, err)
		}
	}
	if _, err := d.direct(t, "north", 1).Exec("CALL hipaakit.unfence_north(1)"); !serverSaid(err, 1370) {
		t.Errorf("the application can open itself: %v", err)
	}
	must(t, s.unfence(t.Context(), 1))
}
