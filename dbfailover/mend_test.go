package dbfailover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// mending is what an administrator does about a tainted server, step by step as in
// docs/database.md: north's tables become what they are on the other one, at a known
// position.
type mending struct {
	bad, good *testbed.Server
	// copy returns the statements that load what good has, which stands still meanwhile.
	copy func() []string
	// before is run on bad at first.
	before []string
	// between is done after the copy.
	between func()
}

// A web node that is just changing the filters starts applying again, without an end: then
// there is more in the tainted server than in the copy, it is refused, and all begins anew.
func (d *duo) mend(t testing.TB, m mending) {
	t.Helper()
	for tries := 0; !d.mended(t, m); tries++ {
		if tries == 20 {
			t.Fatal("it never stands where the copy was made")
		}
	}
}

func (d *duo) mended(t testing.TB, m mending) bool {
	t.Helper()
	m.bad.SQL(append([]string{"STOP REPLICA SQL_THREAD"}, m.before...)...)
	at, statements := d.copyOf(t, m)
	if m.between != nil {
		m.between()
	}
	until := "START SLAVE UNTIL master_gtid_pos='" + written(at, origin{id: uint32(m.good.ID)}) + "'"
	if d.flavour == MySQL {
		until = "START REPLICA UNTIL SQL_AFTER_GTIDS='" + at + "'"
	}
	m.bad.SQL("STOP REPLICA")
	if d.flavour == MariaDB && count(t, m.bad, "SELECT @@GLOBAL.rpl_semi_sync_slave_enabled") == 1 {
		m.bad.SQL("SET GLOBAL rpl_semi_sync_slave_enabled=OFF") // else the last events never come
		defer m.bad.SQL("SET GLOBAL rpl_semi_sync_slave_enabled=ON", "STOP REPLICA IO_THREAD", "START REPLICA IO_THREAD")
	}
	if m.bad.SQL(until); !applied(m.bad) {
		return false
	}
	conn, err := m.bad.Root().Conn(t.Context())
	must(t, err)
	defer conn.Close()
	for _, statement := range append(append([]string{"SET sql_log_bin=0"}, statements...), "CALL hipaakit.repaired_north('"+at+"')", "START REPLICA") {
		if _, err := conn.ExecContext(t.Context(), statement); serverSaid(err, 30006) {
			return false
		} else if err != nil {
			t.Fatalf("%.80s: %v", statement, err)
		}
	}
	return true
}

// applied waits until the server has stopped where UNTIL says. It never does if a web node has
// started it again meanwhile: who started it first still receives no more than that.
func applied(s *testbed.Server) bool {
	for range 1000 {
		if status, err := s.Replication(); err == nil && status["Slave_SQL_Running"] == "No" {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func (d *duo) copyOf(t testing.TB, m mending) (at string, statements []string) {
	t.Helper()
	conn, err := m.good.Root().Conn(t.Context())
	must(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	must(t, err)
	must(t, conn.QueryRowContext(t.Context(), map[Flavour]string{MariaDB: "SELECT @@GLOBAL.gtid_binlog_pos", MySQL: "SELECT @@GLOBAL.gtid_executed"}[d.flavour]).Scan(&at))
	statements = m.copy()
	_, err = conn.ExecContext(t.Context(), "UNLOCK TABLES")
	must(t, err)
	return strings.ReplaceAll(at, "\n", ""), statements
}

// notes loads the table note as it is on a server.
func (d *duo) notes(t testing.TB, from *testbed.Server) []string {
	t.Helper()
	rows, err := from.Root().Query("SELECT id, text FROM north.note")
	must(t, err)
	defer rows.Close()
	load := []string{"DELETE FROM north.note"}
	for rows.Next() {
		var id int
		var text string
		must(t, rows.Scan(&id, &text))
		load = append(load, fmt.Sprintf("INSERT INTO north.note VALUES (%d, '%s')", id, text))
	}
	must(t, rows.Err())
	return load
}

// The writer is in use while its schemas are copied, and the tainted server follows it. What
// it passes over after the copy is in no copy and in no tail.
func TestRepairBesideAWriterInUseMissesNothing(t *testing.T) {
	t.Parallel()
	repairInUse(t, testbed.Options{})
}

func TestRepairUnderSemiSyncMissesNothing(t *testing.T) {
	t.Parallel()
	repairInUse(t, testbed.Options{SemiSync: true})
}

func repairInUse(t *testing.T, o testbed.Options) {
	d := newDuo(t, o)
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	a.write(t, "tail")
	one.Kill()
	a.reaches(t, StateSecondary, 2)
	a.firstGood(t, "new")
	one.Start()
	d.pair.Feeds[1].Heal()
	eventually(t, "tainted", func() bool { return d.look(t, "north", 1).tail != "" })
	for what, position := range map[string]string{
		"none": "NULL", "of nothing": "''", "of no copy": map[Flavour]string{MariaDB: "'2-2-999999'", MySQL: "'3e11fa47-71ca-11e1-9e33-c80aa9429562:1'"}[d.flavour],
	} {
		if _, err := one.Root().Exec("CALL hipaakit.repaired_north(" + position + ")"); !serverSaid(err, 30006) {
			t.Errorf("a position %s: %v", what, err)
		}
	}
	m := mending{bad: one, good: two, copy: func() []string { return d.notes(t, two) }, between: func() { a.firstGood(t, "after the copy") }}
	at, _ := d.copyOf(t, m)
	a.firstGood(t, "after a copy for which nobody stopped")
	one.AwaitCaughtUp(two)
	if _, err := one.Root().Exec("CALL hipaakit.repaired_north('" + at + "')"); !serverSaid(err, 30006) {
		t.Errorf("what came after the copy was passed over: %v", err)
	}
	if d.look(t, "north", 1).tail == "" {
		t.Fatal("it is not tainted any more")
	}
	d.mend(t, m)
	eventually(t, "in step", func() bool {
		return !d.look(t, "north", 1).quarantined && !d.look(t, "north", 2).quarantined && d.look(t, "north", 1).feed.running()
	})
	one.AwaitCaughtUp(two)
	if r1, r2 := d.texts(t, "north", 1), d.texts(t, "north", 2); !same(r1, r2) || len(r1) != 3 || r1["tail"] {
		t.Errorf("server 1 has %v, server 2 %v", r1, r2)
	}
	if o.SemiSync { // while the repair kept server 1 from answering, canaries may have waited long enough for a move
		eventually(t, "one of them is in use", func() bool { return a.c.Status().State.serving() })
		return
	}
	a.well(t, StateSecondary, 2)
	must(t, a.c.Switch(t.Context(), Primary))
}
