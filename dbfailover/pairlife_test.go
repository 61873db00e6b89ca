package dbfailover

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func TestWhenSyncedLeadsHomeByItself(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	home := func(c *Config) { c.App.Failback = WhenSynced }
	a, b := d.node(t, "north", "a", Fast, home), d.node(t, "north", "b", Fast, home)
	a.well(t, StatePrimary, 1)
	b.well(t, StatePrimary, 1)
	d.pair.Servers[0].Kill()
	a.firstGood(t, "away")
	begin := time.Now()
	d.pair.Servers[0].Start()
	a.reaches(t, StatePrimary, 3)
	if waited := time.Since(begin); waited < 10*time.Second {
		t.Errorf("home after %v, before it was stable", waited)
	}
	b.reaches(t, StatePrimary, 3)
	if id := b.write(t, "home"); id != 1 {
		t.Errorf("server %d", id)
	}
}

func TestEqualEpochsFreezeTheRealPair(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "before")
	for _, s := range d.pair.Servers { // as nobody does
		s.SQL("SET sql_log_bin=0", "INSERT INTO hipaakit.epoch (app, number, server, gtid) VALUES ('north', 5, @@server_id, '')")
	}
	a.reaches(t, StateFrozen, 5)
	if _, err := a.tryWrite("frozen"); !errors.Is(err, ErrFrozen) {
		t.Errorf("got %v, want ErrFrozen", err)
	}
	if err := a.c.Ready(); !errors.Is(err, ErrFrozen) {
		t.Errorf("ready says %v", err)
	}
	must(t, a.c.Switch(t.Context(), Secondary, Force))
	eventually(t, "a decision", func() bool { s := a.c.Status(); return s.State == StateSecondary && s.Epoch > 5 })
	if id := a.write(t, "decided"); id != 2 {
		t.Errorf("server %d", id)
	}
}

func TestSemiSyncAndSharedWritersAreReported(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{SemiSync: true})
	d.tables(t)
	a, south := d.node(t, "north", "a", Fast), d.node(t, "south", "s", Fast)
	a.well(t, StatePrimary, 1)
	south.well(t, StatePrimary, 1)
	eventually(t, "rpo=0", func() bool { return a.c.Status().RPOZero })
	if alarms := a.c.Status().Alarms; len(alarms) > 0 {
		t.Errorf("alarms %q", alarms)
	}
	must(t, a.c.Switch(t.Context(), Secondary))
	eventually(t, "the alarm of two applications on one server", func() bool {
		return strings.Contains(strings.Join(a.c.Status().Alarms, "; "), "one server carries both")
	})
	off := "SET GLOBAL rpl_semi_sync_master_enabled=OFF"
	if d.flavour == MySQL {
		off = "SET GLOBAL rpl_semi_sync_source_enabled=OFF"
	}
	d.pair.Servers[1].SQL(off)
	eventually(t, "no rpo=0", func() bool { return !a.c.Status().RPOZero })
	if s := a.c.Status(); s.App != "north" || s.Node != "a" || s.Servers[Primary].Replication == nil || s.Servers[Primary].Replication.ServerID != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAccountThatCannotBeFencedIsNotConstructed(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.pair.Servers[1].SQL("SET sql_log_bin=0", "GRANT SUPER ON *.* TO north_app@'127.0.0.1'")
	cfg := d.config("north", Fast)
	cfg.Topology, cfg.App = Replicated, d.apps["north"]
	var err error
	for range 5 {
		var c *Connector
		if c, err = New(cfg); err == nil {
			_ = c.Close()
			t.Fatal("constructed")
		}
	}
	eventually(t, "its connections end", func() bool {
		return count(t, d.pair.Servers[1], "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER='north_mon'") == 0
	})
	if !strings.Contains(err.Error(), "SUPER") || !strings.Contains(err.Error(), "secondary") {
		t.Errorf("got %v", err)
	}
}

// manySwitches is how often the writer changes; DBFAILOVER_SWITCHES overrides it.
func manySwitches() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("DBFAILOVER_SWITCHES"), 10, 64); err == nil {
		return n
	}
	return 60
}

// Not beside other tests: it counts goroutines.
func TestManySwitchesLeakNothing(t *testing.T) {
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	switches := func(from, n uint64) {
		for i := from; i < from+n; i++ {
			to := Role(i % 2)
			eventually(t, "a switch", func() bool { return a.c.Switch(t.Context(), to) == nil })
			if id := a.write(t, "switch "+time.Now().String()); id != int(to)+1 {
				t.Errorf("server %d", id)
			}
		}
	}
	switches(1, 10)
	goroutines := runtime.NumGoroutine()
	switches(11, manySwitches())
	eventually(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= goroutines+4 })
	if n := a.c.sockets.count(); n[0]+n[1] > 3 {
		t.Errorf("%v connections are left", n)
	}
	for id := 1; id <= 2; id++ {
		eventually(t, "the servers' sessions end", func() bool {
			return count(t, d.pair.Servers[id-1], "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'north%'") <= 8
		})
	}
}

func TestAccountWithTooManyRightsOnAServerThatWasAwayRaisesAnAlarm(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.pair.Servers[1].SQL("SET sql_log_bin=0", "GRANT SUPER ON *.* TO north_app@'127.0.0.1'")
	d.pair.Servers[1].Kill() // so that New cannot ask it
	a := d.node(t, "north", "a", Fast)
	d.pair.Servers[1].Start()
	eventually(t, "the alarm", func() bool {
		return strings.Contains(strings.Join(a.c.Status().Alarms, "; "), "SUPER")
	})
}
