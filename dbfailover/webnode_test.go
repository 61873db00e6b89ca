package dbfailover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// webNode is one Connector of an application on the duo, with paths to the servers
// of its own that a test can cut.
type webNode struct {
	duo   *duo
	name  string
	conf  Config
	paths [2]*testbed.Proxy // by Role
	log   *logBook
	c     *Connector
	db    *sql.DB
}

// node starts a web node, which waits for nothing.
func (d *duo) node(t testing.TB, app, name string, timers Timers, change ...func(*Config)) *webNode {
	t.Helper()
	n := &webNode{duo: d, name: name, conf: d.config(app, timers), log: &logBook{}}
	n.conf.Topology, n.conf.App = Replicated, d.apps[app]
	n.conf.App.Node, n.conf.App.Folder = name, t.TempDir()
	n.conf.Logger = slog.New(slog.NewTextHandler(n.log, nil))
	for _, role := range []Role{Primary, Secondary} {
		s := n.conf.server(role)
		n.paths[role] = testbed.NewProxy(t, s.Addr)
		s.Addr = n.paths[role].Addr
	}
	for _, f := range change {
		f(&n.conf)
	}
	n.start(t)
	t.Cleanup(func() {
		n.stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, n.log)
		}
	})
	return n
}

func (n *webNode) start(t testing.TB) {
	t.Helper()
	c, err := New(n.conf)
	if err != nil {
		t.Fatal(err)
	}
	n.c, n.db = c, sql.OpenDB(c)
}

func (n *webNode) stop() { _ = n.db.Close() }

// reaches waits for a state and an epoch.
func (n *webNode) reaches(t testing.TB, state State, epoch uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s in %v with epoch %d", n.name, state, epoch), func() bool {
		s := n.c.Status()
		return s.State == state && s.Epoch == epoch
	})
}

// well waits until it is served and both servers have passed a check.
func (n *webNode) well(t testing.TB, state State, epoch uint64) {
	t.Helper()
	n.reaches(t, state, epoch)
	eventually(t, n.name+" finds both servers well", func() bool {
		s := n.c.Status()
		return s.Servers[Primary].Health == HealthOK && s.Servers[Secondary].Health == HealthOK
	})
}

// write inserts a row and returns the server that took it.
func (n *webNode) write(t testing.TB, text string) (server int) {
	t.Helper()
	server, err := n.tryWrite(text)
	if err != nil {
		t.Fatalf("%s: %v", n.name, err)
	}
	return server
}

func (n *webNode) tryWrite(text string) (server int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // against hanging
	defer cancel()
	tx, err := n.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	if err := tx.QueryRowContext(ctx, "SELECT @@server_id").Scan(&server); err != nil {
		return server, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO note (text) VALUES (?)", text); err != nil {
		return server, err
	}
	return server, tx.Commit()
}

// firstGood writes until a write is acknowledged.
func (n *webNode) firstGood(t testing.TB, text string) (server int, took time.Duration) {
	t.Helper()
	begin := time.Now()
	for i := 0; ; i++ {
		server, err := n.tryWrite(fmt.Sprintf("%s %d", text, i))
		if err == nil {
			return server, time.Since(begin)
		}
		if time.Since(begin) > 90*time.Second { // against hanging
			t.Fatalf("%s: no write got through: %v; %+v", n.name, err, n.c.Status())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// tables makes the table that write fills.
func (d *duo) tables(t testing.TB) {
	t.Helper()
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	for i, name := range []string{"north", "south"} {
		s := d.pair.Servers[i]
		s.SQL("CREATE TABLE " + name + ".note (id BIGINT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(99), UNIQUE (text))")
	}
	one.AwaitCaughtUp(two)
	two.AwaitCaughtUp(one)
}

// texts reads a server's rows as root.
func (d *duo) texts(t testing.TB, app string, id int) map[string]bool {
	t.Helper()
	rows, err := d.pair.Servers[id-1].Root().Query("SELECT text FROM " + app + ".note")
	must(t, err)
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		found[s] = true
	}
	must(t, rows.Err())
	return found
}

func TestPrimaryIsUsedByBothApplications(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	north, south := d.node(t, "north", "n1", Fast), d.node(t, "south", "s1", Fast)
	north.reaches(t, StatePrimary, 1)
	south.reaches(t, StatePrimary, 1)
	if id := north.write(t, "a"); id != 1 {
		t.Errorf("north writes to server %d", id)
	}
	if id := south.write(t, "a"); id != 2 {
		t.Errorf("south writes to server %d", id)
	}
}

func TestPlannedSwitchMovesEveryNodeAndEveryRow(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a, b, south := d.node(t, "north", "a", Fast), d.node(t, "north", "b", Careful), d.node(t, "south", "s", Careful)
	south.well(t, StatePrimary, 1)
	acked := map[string]bool{}
	for epoch := uint64(1); epoch < 6; epoch++ {
		state, to := StatePrimary, Secondary
		if epoch%2 == 0 {
			state, to = StateSecondary, Primary
		}
		a.well(t, state, epoch)
		b.well(t, state, epoch)
		for i := range 20 {
			text := fmt.Sprintf("%d-%d", epoch, i)
			if id := []*webNode{a, b}[i%2].write(t, text); id != 2-int(epoch%2) {
				t.Errorf("epoch %d writes to server %d", epoch, id)
			}
			acked[text] = true
		}
		begin := time.Now()
		if err := a.c.Switch(t.Context(), to); err != nil {
			t.Fatalf("switch %d: %v", epoch, err)
		}
		t.Logf("switch %d took %v", epoch, time.Since(begin))
	}
	b.reaches(t, StateSecondary, 6)
	south.write(t, "undisturbed")
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	one.AwaitCaughtUp(two)
	two.AwaitCaughtUp(one)
	for id := 1; id <= 2; id++ {
		rows := d.texts(t, "north", id)
		for text := range acked {
			if !rows[text] {
				t.Errorf("server %d lost %q", id, text)
			}
		}
	}
	// One late check on a busy machine is none of the switches' doing.
	if s := south.c.Status(); s.Epoch != 1 || s.State != StatePrimary || strings.Contains(south.log.String(), "locked") {
		t.Errorf("the neighbour noticed: %+v", s.Recent)
	}
}

func TestKilledPrimaryIsReplacedAndReturnsFenced(t *testing.T) {
	t.Parallel()
	for _, timers := range []Timers{Fast, Careful} {
		t.Run(timers.String(), func(t *testing.T) {
			t.Parallel()
			d := newDuo(t, testbed.Options{})
			d.tables(t)
			a, b, south := d.node(t, "north", "a", timers), d.node(t, "north", "b", timers), d.node(t, "south", "s", timers)
			for _, n := range []*webNode{a, b, south} {
				n.well(t, StatePrimary, 1)
			}
			a.write(t, "before")
			d.pair.Servers[1].AwaitCaughtUp(d.pair.Servers[0])
			d.pair.Servers[0].Kill()
			id, took := a.firstGood(t, "after")
			t.Logf("%v: kill -9, first good write after %v on server %d", timers, took, id)
			if id != 2 {
				t.Errorf("written to server %d", id)
			}
			b.reaches(t, StateSecondary, 2)
			if _, err := south.tryWrite("neighbour"); err != nil {
				t.Errorf("the neighbour: %v", err)
			}
			d.pair.Servers[0].Start()
			eventually(t, "server 1 knows the epoch", func() bool {
				s := d.look(t, "north", 1)
				return s.top.number == 2 && s.locked && s.feed.running()
			})
			if !d.lockedOut(t, "north", 1) {
				t.Error("the old server lets the application in")
			}
			eventually(t, "the quarantine is lifted", func() bool { return !d.look(t, "north", 2).quarantined })
			a.well(t, StateSecondary, 2)
			// It may not have applied the epoch's first event yet.
			eventually(t, "the way home is free", func() bool { return a.c.Switch(t.Context(), Primary) == nil })
			b.reaches(t, StatePrimary, 3)
			if id := b.write(t, "home"); id != 1 {
				t.Errorf("written to server %d", id)
			}
			for _, text := range []string{"before", "home"} {
				if !d.texts(t, "north", 1)[text] {
					t.Errorf("%q is missing on server 1", text)
				}
			}
		})
	}
}

func TestTailTaintsTheOldServer(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a, south := d.node(t, "north", "a", Fast), d.node(t, "south", "s", Fast)
	a.well(t, StatePrimary, 1)
	south.well(t, StatePrimary, 1)
	a.write(t, "both")
	d.pair.Servers[1].AwaitCaughtUp(d.pair.Servers[0])
	d.pair.Feeds[1].Cut()
	a.write(t, "tail")
	d.pair.Servers[0].Kill()
	if id, _ := a.firstGood(t, "new"); id != 2 {
		t.Fatalf("written to server %d", id)
	}
	d.pair.Servers[0].Start()
	d.pair.Feeds[1].Heal()
	eventually(t, "server 1 is tainted", func() bool { return d.look(t, "north", 1).tail != "" })
	south.write(t, "flows")
	d.pair.Servers[0].AwaitCaughtUp(d.pair.Servers[1])
	d.pair.Servers[1].AwaitCaughtUp(d.pair.Servers[0])
	if one, two := d.texts(t, "north", 1), d.texts(t, "north", 2); !one["tail"] || two["tail"] || one["new 0"] || !two["both"] {
		t.Errorf("the tail was mixed in: %v and %v", one, two)
	}
	if !d.texts(t, "south", 1)["flows"] {
		t.Error("the neighbour's row did not arrive")
	}
	a.well(t, StateSecondary, 2)
	if err := a.c.Switch(t.Context(), Primary); err == nil || !strings.Contains(err.Error(), "tainted") {
		t.Errorf("switch to a tainted server: %v", err)
	}
	if errors.Is(a.db.Ping(), ErrDown) {
		t.Error("down")
	}
}

// The fence is void for whoever logs in with another account.
func TestOnlyTheFencedAccountIsLetIn(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.config.Topology, r.config.App = Replicated, goodApp(t)
		r.config.Credentials = fixed("another")
		c, err := r.config.normal()
		must(t, err)
		if _, err := c.Credentials(t.Context(), c.Primary); err == nil || !strings.Contains(err.Error(), "App.User") {
			t.Errorf("got %v", err)
		}
		r.config.Credentials = fixed(goodApp(t).User)
		c, err = r.config.normal()
		must(t, err)
		if got, err := c.Credentials(t.Context(), c.Primary); err != nil || got.User != goodApp(t).User {
			t.Errorf("got %v, %v", got.User, err)
		}
		r.config.Database = "elsewhere"
		if _, err := r.config.normal(); err == nil || !strings.Contains(err.Error(), "App.Schemas") {
			t.Errorf("a default schema that nobody looks after: %v", err)
		}
	})
}

func TestLostFolderIsLoggedOnceAndAnAlarm(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	n := d.node(t, "north", "n", Careful)
	n.well(t, StatePrimary, 1)
	must(t, os.Rename(n.conf.App.Folder, n.conf.App.Folder+"-away"))
	must(t, n.c.Switch(t.Context(), Secondary))
	alarm := func() bool { return strings.Contains(strings.Join(n.c.Status().Alarms, ";"), "App.Folder") }
	eventually(t, "the alarm", alarm)
	n.well(t, StateSecondary, 2)
	time.Sleep(time.Second)
	if lines := strings.Count(n.log.String(), "could not be kept on disk"); lines != 1 {
		t.Errorf("%d lines", lines)
	}
	must(t, os.Rename(n.conf.App.Folder+"-away", n.conf.App.Folder))
	eventually(t, "it is kept again", func() bool { return !alarm() })
}

func TestManySwitchesAtOnceAreAllAnswered(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	n := d.node(t, "north", "n", Careful)
	n.well(t, StatePrimary, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // against hanging
	defer cancel()
	var work sync.WaitGroup
	for i := range 12 {
		work.Go(func() {
			if err := n.c.Switch(ctx, Role(i%2)); errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("never answered: %v", err)
			}
		})
	}
	work.Wait()
}
