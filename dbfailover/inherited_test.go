package dbfailover

import (
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// What an administrator sets for the whole server, every session begins with: those of the
// checks, of whoever calls a procedure by hand, and the one that reads the init-file.
func TestProceduresDoNotDependOnWhatIsSetForTheServer(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	for _, s := range d.pair.Servers {
		s.SQL("SET GLOBAL autocommit=OFF", "SET GLOBAL sql_safe_updates=ON", "SET GLOBAL completion_type=CHAIN")
		s.Configure("autocommit=OFF", "loose-sql-safe-updates=ON")
	}
	if d.flavour == MySQL { // has no such option, and replicates under this one
		one.SQL("SET PERSIST sql_safe_updates=ON", "SET PERSIST max_join_size=10")
		two.SQL("SET GLOBAL max_join_size=10")
	}
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "one")
	must(t, a.c.Switch(t.Context(), Secondary))
	a.write(t, "two")
	must(t, a.c.Switch(t.Context(), Primary))
	a.write(t, "three")
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	a.write(t, "tail")
	one.Kill()
	a.firstGood(t, "four")
	one.Start()
	if n := count(t, one, "SELECT @@GLOBAL.sql_safe_updates * 10 + @@GLOBAL.autocommit"); n != 10 {
		t.Fatalf("the scene was not set: %d", n)
	}
	eventually(t, "server 1 locks the account, and replicates", func() bool {
		s := d.look(t, "north", 1)
		return s.locked && s.feed.running() && s.tail != "" && s.judged == 4
	})
	d.pair.Feeds[1].Heal()
	d.mend(t, mending{bad: one, good: two, copy: func() []string {
		load := append([]string{"SET SESSION autocommit=1", "SET SESSION sql_safe_updates=0"}, d.notes(t, two)...)
		return append(load, "SET SESSION sql_safe_updates=1", "SET SESSION autocommit=0")
	}})
	eventually(t, "both quarantines end", func() bool {
		return !d.look(t, "north", 1).quarantined && !d.look(t, "north", 2).quarantined
	})
	a.write(t, "five")
	one.AwaitCaughtUp(two)
	if !d.texts(t, "north", 1)["five"] {
		t.Error("server 1 does not follow")
	}
}
