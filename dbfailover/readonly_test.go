package dbfailover

import (
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// Whoever makes a server read-only for everybody keeps the application out of it as well.
// That nobody can lock the account there is no reason to stop the writer.
func TestMySQLServerThatIsSuperReadOnlyFreezesNobody(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "one")
	one.SQL("SET GLOBAL super_read_only=ON")
	if err := a.c.Switch(t.Context(), Secondary); !serverSaid(err, errReadOnly) {
		t.Errorf("a planned Switch cannot fence it: %v", err)
	}
	must(t, a.c.Switch(t.Context(), Secondary, Force))
	eventually(t, "fences have failed", func() bool { return strings.Contains(strings.Join(a.c.Status().Alarms, "; "), "fence failed 9 times") })
	if id := a.write(t, "two"); id != 2 || a.c.Status().State != StateSecondary {
		t.Errorf("written to server %d, %v (%s)", id, a.c.Status().State, a.c.Status().Reason)
	}
	one.SQL("SET GLOBAL read_only=OFF")
	eventually(t, "it is fenced then", func() bool { s := d.look(t, "north", 1); return s.locked && s.top.number == 2 })
}

// MariaDB's setting, and MySQL's where it was made lasting, is in force before the server
// reads its init-file.
func TestReadOnlyServerLocksTheAccountsWhenItBoots(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	setting := "read_only"
	if d.flavour == MySQL {
		setting = "super_read_only"
		one.SQL("SET PERSIST super_read_only=ON")
	} else {
		one.Configure("read-only=ON")
	}
	one.Kill()
	one.Start()
	eventually(t, "replication begins", func() bool { return d.look(t, "north", 1).feed.running() })
	if s := d.look(t, "north", 1); !s.locked || !s.readOnly || count(t, one, "SELECT @@GLOBAL."+setting) != 1 {
		t.Errorf("locked %v, read-only %v", s.locked, s.readOnly)
	}
}

func TestOnlyARefusalForBeingReadOnlyIsForgiven(t *testing.T) {
	for _, c := range []struct {
		readOnly, locked bool
		errno            uint16
		frozen           bool
	}{
		{readOnly: true, errno: errReadOnly},
		{readOnly: false, errno: errReadOnly, frozen: true}, // skip-grant-tables
		{readOnly: true, errno: 1205, frozen: true},
		{locked: true, errno: 1205},
	} {
		p := serving(t)
		p.highest = epoch{2, 2, "1-1-5"}
		for range frozenAfter {
			p.now = p.now.Add(time.Second)
			p.see(Secondary, func(s *sight) { s.top, s.locked = epoch{2, 2, "1-1-5"}, false })
			p.see(Primary, func(s *sight) { s.top, s.locked, s.readOnly = epoch{1, 1, ""}, c.locked, c.readOnly })
			task, _ := p.next(p.now)
			if task == nil || task.kind != taskFence {
				t.Fatalf("%+v: %+v", c, task)
			}
			p.finish(task, outcome{err: refusal(c.errno), reached: true, ended: p.now})
		}
		if frozen := p.state == StateFrozen; frozen != c.frozen {
			t.Errorf("%+v: %v (%s)", c, p.state, p.reason)
		}
	}
}
