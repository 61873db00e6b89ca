package dbfailover

import (
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// What one server has written and the other one lacks gets into a tail, or across: whatever is
// cut short, and however late whoever is there hears of it.

// people is a table in which the same row cannot be twice.
func (d *duo) people(t *testing.T) {
	d.tables(t)
	d.pair.Servers[0].SQL("CREATE TABLE north.person (id INT PRIMARY KEY AUTO_INCREMENT, mail VARCHAR(99) UNIQUE)")
	d.pair.Servers[1].AwaitCaughtUp(d.pair.Servers[0])
}

// enter is done on both servers by somebody who was told ErrCommitUnknown, looked, found nothing,
// and did it again.
func (d *duo) enter(t *testing.T, id int) {
	_, err := d.direct(t, "north", id).Exec("INSERT INTO person (mail) VALUES ('a@example.org')")
	must(t, err)
}

// apart ends a scene in which server 1 has a tail that conflicts with what server 2 has written
// since: the tail is found, and the neighbour's replication goes on.
func (d *duo) apart(t *testing.T) {
	a := d.node(t, "north", "a", Fast)
	a.well(t, StateSecondary, 2)
	eventually(t, "server 1 is judged", func() bool { return d.look(t, "north", 1).tail != "" })
	d.pair.Servers[1].SQL("INSERT INTO south.note (text) VALUES ('neighbour')")
	eventually(t, "the neighbour's row arrives on server 1", func() bool { return d.texts(t, "south", 1)["neighbour"] })
}

// A move past killed threads tells the old server of the epoch before anybody can look for its
// tail. Until then the gate holds.
func TestServerThatNobodyHasJudgedMixesNoRows(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.people(t)
	d.pair.Feeds[1].Cut()
	d.enter(t, 1)
	times, err := Fast.timing()
	must(t, err)
	h := hand{timing: times, stations: [2]station{d.station(t, "north", 1), d.station(t, "north", 2)}}
	move := &task{kind: taskMove, to: Secondary, epoch: epoch{2, 2, ""}, from: epoch{1, 1, ""}, began: time.Now()}
	must(t, h.pastThreads(t.Context(), move, outcome{epoch: move.epoch}, d.look(t, "north", 1).at).err)
	d.enter(t, 2)
	d.pair.Feeds[1].Heal()
	eventually(t, "it stands at the gate", func() bool { return d.look(t, "north", 1).feed.gated })
	d.apart(t)
}

// One node has fenced the old server and waits for the rest, another one did not reach it and
// promotes without: the old server passes the gate before anybody has looked for its tail.
func TestServerThatIsJudgedLaterLetsTheNeighbourGoOn(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.people(t)
	d.pair.Feeds[1].Cut()
	d.enter(t, 1)
	_, _, err := d.station(t, "north", 1).fence(t.Context(), epoch{number: 2, server: 2}, true, nil)
	must(t, err)
	_, err = d.station(t, "north", 2).promote(t.Context(), 2, true, false)
	must(t, err)
	d.enter(t, 2)
	d.pair.Feeds[1].Heal()
	eventually(t, "it stops", func() bool {
		f := d.look(t, "north", 1).feed
		return !f.applying && f.errno != 0
	})
	d.apart(t)
}

// A promotion without the old server was cut short (a crash, a call that took too long), before
// the epoch's row. The old server goes on in its own epoch.
func TestPromotionThatWasCutShortIsATail(t *testing.T) {
	t.Parallel()
	for _, gate := range []bool{false, true} {
		d := newDuo(t, testbed.Options{})
		d.tables(t)
		one, two := d.pair.Servers[0], d.pair.Servers[1]
		a := d.node(t, "north", "a", Fast)
		a.well(t, StatePrimary, 1)
		d.station(t, "north", 2) // which stands for whoever began it
		latch := "DO GET_LOCK(hipaakit.latch('north'), 2)"
		steps := []string{"SET SESSION sql_log_bin=0", latch, "CALL hipaakit.set_quarantine('north', TRUE)"}
		if gate {
			steps = append(steps, "USE hipaakit", "SET SESSION sql_log_bin=1, SESSION binlog_format=STATEMENT", "REPLACE INTO hipaakit.gate VALUES ('north', 2)")
		}
		two.SQL(steps...)
		a.write(t, "passed over")
		eventually(t, "server 2 is tainted", func() bool {
			s := d.look(t, "north", 2)
			return s.tail != "" && s.quarantined && s.locked
		})
		if err := a.c.Switch(t.Context(), Secondary); err == nil {
			t.Error("a Switch leads where a row is missing")
		}
		two.AwaitCaughtUp(one)
		d.mend(t, mending{bad: two, good: one, copy: func() []string { return d.notes(t, one) }})
		eventually(t, "a Switch", func() bool { return a.c.Switch(t.Context(), Secondary) == nil })
		if a.firstGood(t, "then"); !d.texts(t, "north", 2)["passed over"] {
			t.Errorf("gate %v: the row is not there", gate)
		}
	}
}

// Between two looks of a node server 2 becomes the writer, takes a row, is cut off, and server 1
// is promoted without it. The node has never seen server 2 as a writer.
func TestFenceByAnOldLookFindsTheTail(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	d.pair.Servers[1].AwaitCaughtUp(d.pair.Servers[0])
	one, two := d.station(t, "north", 1), d.station(t, "north", 2)
	_, at, err := one.fence(t.Context(), epoch{number: 2, server: 2}, true, nil)
	must(t, err)
	_, err = two.promote(t.Context(), 2, false, false)
	must(t, err)
	d.pair.Servers[0].AwaitCaughtUp(d.pair.Servers[1])
	d.pair.Feeds[0].Cut()
	_, err = d.direct(t, "north", 2).Exec("INSERT INTO note (text) VALUES ('acknowledged')")
	must(t, err)
	third, err := one.promote(t.Context(), 3, true, false)
	must(t, err)
	d.pair.Feeds[0].Heal()
	_, _, err = two.fence(t.Context(), epoch{3, 1, third}, false, nil) // as for one that was no writer
	must(t, err)
	if at == third {
		t.Fatal("the scene was not set")
	}
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 3)
	eventually(t, "server 2 is tainted", func() bool { return d.look(t, "north", 2).tail != "" })
}
