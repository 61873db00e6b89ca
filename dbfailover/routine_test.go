package dbfailover

import (
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A migration with a CREATE PROCEDURE is the primary's tail, and is run again on the new
// writer, as the application was told "unknown" and looks. The filter is one of tables:
// procedures pass it, both ways, and 1304 stops replication for both applications.
func TestQuarantineKeepsOutProceduresToo(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a, south := d.node(t, "north", "a", Fast), d.node(t, "south", "s", Fast)
	a.well(t, StatePrimary, 1)
	south.well(t, StatePrimary, 1)
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	migrate := func() {
		_, err := a.db.Exec("CREATE PROCEDURE pay() SELECT 1")
		must(t, err)
	}
	migrate()
	one.Kill()
	a.reaches(t, StateSecondary, 2)
	migrate()
	one.Start()
	d.pair.Feeds[1].Heal()
	eventually(t, "server 1 is judged", func() bool { return d.look(t, "north", 1).judged == 2 })
	// Both take over what comes next, south's rows too.
	one.SQL("CREATE TABLE IF NOT EXISTS south.marked (id INT PRIMARY KEY)", "INSERT INTO south.marked VALUES (1)")
	two.AwaitCaughtUp(one)
	two.SQL("INSERT INTO south.marked VALUES (2)")
	one.AwaitCaughtUp(two)
	if tail := d.look(t, "north", 1).tail; tail == "" {
		t.Error("the procedure is no tail")
	}
}
