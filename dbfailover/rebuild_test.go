package dbfailover

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// docs/database.md, "A tail": a server that lacks writes of its own is set up anew from a
// backup of the writer, the script is run there, and replication started. The backup
// brings the writer's rows of hipaakit.quarantine along.
func TestServerThatWasSetUpAnewFollows(t *testing.T) {
	t.Parallel()
	s := &scene{duo: newDuo(t, testbed.Options{}), timers: Careful}
	s.tables(t)
	a := s.node(t, "north", "a", Careful)
	one, two := s.pair.Servers[0], s.pair.Servers[1]
	a.stop()
	one.Stop()
	copied := one.Backup()
	one.Start()
	a.start(t)
	a.well(t, StatePrimary, 1)
	for i := range 20 {
		a.write(t, fmt.Sprintf("lost by the copy %d", i))
	}
	two.AwaitCaughtUp(one)
	one.Kill()
	one.Restore(copied)
	a.firstGood(t, "after")
	one.Start()
	eventually(t, "server 1 is tainted", func() bool { return strings.Contains(s.look(t, "north", 1).tail, "old copy") })
	a.stop()

	// The backup: what mariabackup copies, without logs.
	var pos string
	must(t, two.Root().QueryRow("SELECT @@GLOBAL.gtid_current_pos").Scan(&pos))
	one.Stop()
	two.Stop()
	backup := two.Backup()
	two.Start()
	data := filepath.Join(filepath.Dir(copied), "data")
	info := filepath.Join(t.TempDir(), "master.info")
	run(t, "cp", "-a", filepath.Join(data, "master.info"), info)
	one.Restore(backup)
	for _, pattern := range []string{"bin.*", "relay*", "*.info"} {
		files, _ := filepath.Glob(filepath.Join(data, pattern))
		for _, f := range files {
			must(t, os.Remove(f))
		}
	}
	run(t, "cp", "-a", info, filepath.Join(data, "master.info"))
	one.Start()
	one.SQL("STOP SLAVE", "SET GLOBAL gtid_slave_pos='"+pos+"'")
	script, err := Statements(s.apps["north"], Install{PrimaryID: 1, Monitor: "north_mon@127.0.0.1"})
	must(t, err)
	one.SQL(script...)
	one.SQL("START SLAVE")

	a.start(t)
	eventually(t, "served by server 2", func() bool { return a.c.Status().State == StateSecondary })
	a.write(t, "since then")
	one.AwaitCaughtUp(two)
	two.SQL("STOP SLAVE", "SET GLOBAL gtid_slave_pos=@@gtid_current_pos", "START SLAVE")
	eventually(t, "no quarantine is left", func() bool {
		return !s.look(t, "north", 1).quarantined && !s.look(t, "north", 2).quarantined
	})
	if !s.texts(t, "north", 1)["since then"] {
		t.Errorf("server 1 passes over the writer's rows; alarms %q", a.c.Status().Alarms)
	}
	if err := a.c.Switch(t.Context(), Primary); err != nil {
		t.Errorf("switch home: %v", err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}
