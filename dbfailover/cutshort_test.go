package dbfailover

import (
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A promotion that took too long is killed, after the filter was set and before its epoch
// was recorded. Whoever promotes next must not take for had what was passed over meanwhile.
func TestQuarantineThatWasCutShortCountsFromItsBeginning(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	s := d.station(t, "north", 2)
	began, err := s.position(t.Context())
	must(t, err)
	two.SQL("SET sql_log_bin=0", "INSERT INTO hipaakit.quarantine (app, since) VALUES ('north', '"+began+"')", "CALL hipaakit.refilter()")
	_, err = d.direct(t, "north", 1).Exec("INSERT INTO note (text) VALUES ('acknowledged')")
	must(t, err)
	two.AwaitCaughtUp(one)
	if at, err := s.position(t.Context()); err != nil || at != began {
		t.Errorf("it stands at %q, %v; want %q", at, err, began)
	}
	gtid, err := s.promote(t.Context(), 2, true, false)
	must(t, err)
	if at := d.look(t, "north", 1).at; covers(gtid, at) || !covers(gtid, began) {
		t.Errorf("the epoch begins at %q; server 1 stands at %q", gtid, at)
	}
	a := d.node(t, "north", "a", Careful)
	a.reaches(t, StateSecondary, 2)
	eventually(t, "server 1 is tainted", func() bool { return d.look(t, "north", 1).tail != "" })
}

// The same where a quarantine ends: until it has, nobody takes it for ended.
func TestQuarantineWhoseEndWasCutShortIsEndedAgain(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	s := d.station(t, "north", 2)
	_, _, err := d.station(t, "north", 1).fence(t.Context(), epoch{number: 2, server: 2}, true, nil)
	must(t, err)
	_, err = s.promote(t.Context(), 2, true, false)
	must(t, err)
	two.SQL("SET sql_log_bin=0", "UPDATE hipaakit.quarantine SET lifting = TRUE")
	if !d.look(t, "north", 2).quarantined {
		t.Error("ended before the filter was changed")
	}
	a := d.node(t, "north", "a", Careful)
	a.reaches(t, StateSecondary, 2)
	eventually(t, "the quarantine ends", func() bool {
		return count(t, two, "SELECT COUNT(*) FROM hipaakit.quarantine") == 0
	})
	one.SQL("CREATE TABLE north.follows (id INT PRIMARY KEY)", "INSERT INTO north.follows VALUES (1)")
	two.AwaitCaughtUp(one)
	if n := count(t, two, "SELECT COUNT(*) FROM north.follows"); n != 1 {
		t.Error("the filter is still there")
	}
}
