package dbfailover

import (
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A migration with a CREATE PROCEDURE is the primary's tail, and is run again on the new
// writer, as the application was told "unknown" and looks. The filter is one of tables:
// procedures pass it, both ways, and 1304 stops replication for both applications. The one
// for routines goes by the session's default schema, which the web node has not named.
func TestQuarantineKeepsOutProceduresToo(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a, south := d.node(t, "north", "a", Fast, func(c *Config) { c.Database = "" }), d.node(t, "south", "s", Fast)
	a.well(t, StatePrimary, 1)
	south.well(t, StatePrimary, 1)
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	migrate := func() {
		_, err := a.db.Exec("CREATE PROCEDURE north_log.pay() SELECT 1")
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

func TestReplicatedSessionsBeginInASchemaOfTheApplication(t *testing.T) {
	for given, want := range map[string]string{"": "north", "north_log": "north_log", "south": ""} {
		cfg := good()
		cfg.Topology, cfg.App, cfg.Database = Replicated, goodApp(t), given
		cfg.App.Schemas = []string{"north", "north_log"}
		got, err := cfg.normal()
		if (err == nil) != (want != "") || err == nil && got.Database != want {
			t.Errorf("Database %q becomes %q, %v", given, got.Database, err)
		}
	}
	if got, err := good().normal(); err != nil || got.Database != "" {
		t.Errorf("independent servers: %q, %v", got.Database, err)
	}
}
