package dbfailover

import (
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// The old server died of a full disk, with a tail. Whoever mends it makes room for it to
// start, by PURGE BINARY LOGS, before a web node has seen it again.
func TestPurgedLogIsATail(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	purge := func() {
		one.SQL("FLUSH BINARY LOGS")
		conn, err := d.station(t, "north", 1).open(t.Context())
		must(t, err)
		files, err := binaryLogs(t.Context(), conn)
		must(t, err)
		one.SQL("PURGE BINARY LOGS TO '" + files[len(files)-1] + "'")
	}
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "both")
	two.AwaitCaughtUp(one)
	purge() // long ago, and nothing is missing for that
	since := d.look(t, "north", 1).at
	one.SQL("INSERT INTO south.note (text) VALUES ('not ours')")
	if tail, err := d.station(t, "north", 1).tail(t.Context(), since); err != nil || tail != "" {
		t.Errorf("without a tail: %q, %v", tail, err)
	}
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	a.write(t, "acknowledged")
	one.Kill()
	a.reaches(t, StateSecondary, 2)
	a.paths[Primary].Cut()
	one.Start()
	purge()
	one.SQL("INSERT INTO north.note (text) VALUES ('seen')")
	a.paths[Primary].Heal()
	d.pair.Feeds[1].Heal()
	eventually(t, "server 1 has been judged", func() bool { return d.look(t, "north", 1).judged == 2 })
	if s := d.look(t, "north", 1); !strings.Contains(s.tail, "was purged before") || !strings.Contains(s.tail, "; 1 transactions") || !s.quarantined {
		t.Errorf("tail %q, quarantined %v", s.tail, s.quarantined)
	}
}
