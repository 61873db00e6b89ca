package dbfailover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// Somebody has edited the init-file, or moved it. The server of an epoch that is over comes
// back open, alone, and is not written to all the same; what it lacks is said.
func TestServerStartedWithoutBootIsNotTakenForOpen(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	one.BootWith("START REPLICA;\n")
	one.Kill()
	a.reaches(t, StateSecondary, 2)
	a.firstGood(t, "two")
	a.stop()
	two.Kill()
	b := d.node(t, "north", "b", Fast) // which has no server to ask what is wrong
	one.Start()
	if seen := d.look(t, "north", 1); !seen.locked || d.lockedOut(t, "north", 1) {
		t.Fatalf("the account is open, and should not count as such: %+v", seen)
	}
	list, err := d.station(t, "north", 1).refusals(t.Context())
	must(t, err)
	if !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "hipaakit.boot") }) {
		t.Errorf("refused: %q", list)
	}
	if c, err := New(a.conf); err == nil {
		_ = c.Close()
		t.Error("New takes it")
	}
	eventually(t, "b has seen server 1", func() bool { return b.c.Status().Servers[Primary].Health == HealthOK })
	for range 20 { // as long as it takes to open what may be opened
		time.Sleep(50 * time.Millisecond)
		if now := b.c.Status(); now.State != StateDown {
			t.Fatalf("%v: %s", now.State, now.Reason)
		}
	}
	if id, err := b.tryWrite("epoch 1"); err == nil {
		t.Errorf("server %d is written to in an epoch that is over", id)
	}
	two.Start()
	b.well(t, StateSecondary, 2)
	if id := b.write(t, "both are there"); id != 2 {
		t.Errorf("server %d", id)
	}
	eventually(t, "server 1 is fenced", func() bool { return d.lockedOut(t, "north", 1) })
}

// The writer itself is opened by right once both servers have been read, for one application
// at a time. The script leaves nothing open that nobody has proved.
func TestServerStartedWithoutBootIsOpenedOnProof(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	for _, s := range d.pair.Servers {
		s.BootWith("START REPLICA;\n")
		s.Stop()
		time.Sleep(time.Second) // starts are told apart by seconds
		s.Start()
	}
	must(t, d.station(t, "north", 1).unfence(t.Context(), 1))
	if seen := d.look(t, "north", 1); seen.locked {
		t.Errorf("%+v", seen)
	}
	if n := count(t, one, "SELECT COUNT(*) FROM hipaakit.settled WHERE start = hipaakit.started()"); n != 1 {
		t.Errorf("%d applications are settled there, not north alone", n)
	}
	script, err := Statements(d.apps["south"], Install{PrimaryID: 2, Monitor: "south_mon@127.0.0.1", Flavour: d.flavour})
	must(t, err)
	two.SQL(append([]string{"SET SESSION sql_log_bin=0"}, script...)...)
	if !d.lockedOut(t, "south", 2) {
		t.Error("the script left the account open")
	}
}

// Two starts are told apart, and nothing but a start.
func TestTheStartOfAServerStaysTheSame(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	starts := map[int]bool{}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		starts[count(t, d.pair.Servers[0], "SELECT hipaakit.started()")] = true
	}
	if len(starts) != 1 {
		t.Errorf("%v", starts)
	}
}
