package dbfailover

import (
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// READ COMMITTED for the whole server is what many set; transactions that only read, few. Under
// the one no statement is logged, under the other nothing is written. Of the application's
// sessions they are true as well, so its own writes come after.
func TestProceduresWriteUnderEveryKindOfTransaction(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	level, only := "tx_isolation", "tx_read_only"
	if d.flavour == MySQL {
		level, only = "transaction_isolation", "transaction_read_only"
	}
	for _, s := range d.pair.Servers {
		s.SQL("SET GLOBAL "+level+"='READ-COMMITTED'", "SET GLOBAL "+only+"=ON")
	}
	must(t, d.station(t, "north", 1).beat(t.Context(), 1))
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	must(t, a.c.Switch(t.Context(), Secondary))
	a.reaches(t, StateSecondary, 2)
	two.Kill()
	a.reaches(t, StatePrimary, 3)
	two.Start()
	eventually(t, "server 2 knows the epoch", func() bool { return d.look(t, "north", 2).top.number == 3 })
	for _, s := range d.pair.Servers {
		s.SQL("SET GLOBAL " + only + "=OFF")
	}
	a.db.SetMaxIdleConns(0) // whose sessions began under the old setting
	a.write(t, "after")
	two.AwaitCaughtUp(one)
	if !d.texts(t, "north", 2)["after"] {
		t.Error("server 2 does not follow")
	}
}
