package dbfailover

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// The dump that docs/database.md names tells the position, and loading it leaves replication as
// it was: by GTID.
func TestDumpForARepairLeavesReplicationAsItWas(t *testing.T) {
	t.Parallel()
	dump, err := exec.LookPath("mariadb-dump")
	if err != nil {
		testbed.RequireOrSkip(t, "mariadb-dump (Debian package mariadb-client)")
	}
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	two.AwaitCaughtUp(one)
	socket := func(s *testbed.Server) (path string) {
		must(t, s.Root().QueryRow("SELECT @@socket").Scan(&path))
		return "--socket=" + path
	}
	var position string
	must(t, one.Root().QueryRow("SELECT @@gtid_binlog_pos").Scan(&position))
	text, err := exec.Command(dump, "--no-defaults", socket(one), "--user=root", "--single-transaction", "--master-data=2", "--databases", "north").Output()
	must(t, err)
	if !strings.Contains(string(text), "-- SET GLOBAL gtid_slave_pos='"+position+"'") {
		t.Errorf("the dump does not tell the position %s", position)
	}
	two.SQL("STOP SLAVE")
	load := exec.Command(strings.TrimSuffix(dump, "-dump"), "--no-defaults", socket(two), "--user=root", "--init-command=SET sql_log_bin=0")
	load.Stdin = bytes.NewReader(text)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	two.SQL("START SLAVE")
	if status, err := two.Replication(); err != nil || status["Using_Gtid"] != "Slave_Pos" {
		t.Errorf("server 2 replicates by Using_Gtid=%s: %v", status["Using_Gtid"], err)
	}
	one.SQL("INSERT INTO north.note (text) VALUES ('after')")
	eventually(t, "it follows", func() bool { return d.texts(t, "north", 2)["after"] })
}
