package dbfailover

import (
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// Force onto a tainted server while the other one is away, which is what Force is for. The
// tainted one has passed over every row of epoch 2, but its position says it has them, and
// that position becomes epoch 3's. Server 2 comes back, is judged from there, and has "no
// tail": its acknowledged rows are on it alone, untainted, and nobody is told.
func TestForceOntoATaintedServerFindsTheOthersTailLater(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "both")
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	a.write(t, "tail")
	one.Kill()
	if id, _ := a.firstGood(t, "new"); id != 2 {
		t.Fatalf("written to server %d", id)
	}
	one.Start()
	d.pair.Feeds[1].Heal()
	eventually(t, "server 1 is tainted", func() bool { return d.look(t, "north", 1).tail != "" })
	a.well(t, StateSecondary, 2)
	for _, text := range []string{"second 1", "second 2", "second 3"} {
		a.write(t, text) // acknowledged, in epoch 2
	}
	one.AwaitCaughtUp(two)
	two.Kill()
	a.reaches(t, StateDown, 2)
	must(t, a.c.Switch(t.Context(), Primary, Force))
	if id := a.write(t, "forced"); id != 1 {
		t.Fatalf("written to server %d", id)
	}
	two.Start()
	eventually(t, "server 2 knows epoch 3 and has been judged", func() bool {
		s := d.look(t, "north", 2)
		return s.top.number == 3 && s.judged == 3
	})
	s := d.look(t, "north", 2)
	rows1, rows2 := d.texts(t, "north", 1), d.texts(t, "north", 2)
	if s.tail == "" {
		t.Errorf("server 2 has no tail; writer: %v, server 2: %v; alarms %q", rows1, rows2, a.c.Status().Alarms)
	}
}
