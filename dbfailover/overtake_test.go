package dbfailover

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// simHand is a hand on both servers of a simulated pair.
func simHand(t *testing.T, w *simWorld) (*hand, [2]*simLink) {
	times, err := Fast.timing()
	must(t, err)
	h := &hand{timing: times}
	var links [2]*simLink
	for i := range links {
		links[i] = &simLink{world: w, node: "n", i: i, cut: func() bool { return false }}
		h.stations[i] = links[i]
	}
	return h, links
}

// Two nodes move to one server at once, one of them without the old server. What the
// other one then sees arrive there has skipped the application.
func TestRowsSkippedByAnotherNodesMoveAreFoundInTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
		h, links := simHand(t, w)
		w.set(func() { w.feed[1] = false }) // a moment of lag
		must(t, links[0].commit(t.Context(), "acknowledged"))
		made, err := links[1].promote(t.Context(), 2, true, false) // without server 1
		must(t, err)
		w.set(func() { w.feed[1] = true })
		o := h.carry(t.Context(), &task{
			kind: taskMove, to: Secondary, epoch: epoch{2, 2, ""}, from: epoch{1, 1, ""}, planned: true, began: time.Now(),
		})
		if o.err == nil && o.epoch.gtid != made {
			t.Errorf("epoch %+v, want the position %q of the row that was there", o.epoch, made)
		}
		var nodes []*simNode
		for _, name := range []string{"a", "b"} {
			nodes = append(nodes, newSimNode(w, name, h.timing))
		}
		time.Sleep(5 * time.Second)
		for _, n := range nodes {
			n.stop()
		}
		one, two := w.servers[0], w.servers[1]
		if two.rows["acknowledged"] || one.tail == "" || !one.quarantined || !two.quarantined {
			t.Errorf("server 1: tail %q, quarantined %v; server 2: row %v, quarantined %v",
				one.tail, one.quarantined, two.rows["acknowledged"], two.quarantined)
		}
	})
}

// The same on real servers.
func TestRowsSkippedByAnotherNodesMoveTaintARealServer(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Careful)
	a.well(t, StatePrimary, 1)
	d.pair.Servers[1].SQL("STOP REPLICA SQL_THREAD") // a moment of lag
	a.write(t, "acknowledged")
	_, at, err := d.station(t, "north", 1).fence(t.Context(), epoch{number: 2, server: 2}, true, nil)
	must(t, err)
	two := d.station(t, "north", 2)
	_, err = two.promote(t.Context(), 2, true, false) // by a node that does not reach server 1
	must(t, err)
	d.pair.Servers[1].SQL("START REPLICA SQL_THREAD")
	eventually(t, "server 2 passes the row by", func() bool {
		return covers(d.look(t, "north", 2).at, at)
	})
	eventually(t, "server 1 is tainted", func() bool { return d.look(t, "north", 1).tail != "" })
	a.well(t, StateSecondary, 2)
	if s := d.look(t, "north", 2); !s.quarantined || d.texts(t, "north", 2)["acknowledged"] {
		t.Errorf("server 2: %+v", s)
	}
	// Once is enough: what an administrator has repaired is not tainted again.
	d.mend(t, mending{bad: d.pair.Servers[0], good: d.pair.Servers[1], copy: func() []string { return d.notes(t, d.pair.Servers[1]) }})
	b := d.node(t, "north", "b", Careful)
	b.well(t, StateSecondary, 2)
	eventually(t, "the quarantine is lifted", func() bool { return !d.look(t, "north", 2).quarantined })
	if s := d.look(t, "north", 1); s.tail != "" {
		t.Errorf("tainted again: %q", s.tail)
	}
}

// dying is a station whose server takes one row in its epoch and is gone.
type dying struct{ *simLink }

func (d dying) promote(ctx context.Context, number uint64, quarantine, force bool) (string, error) {
	gtid, err := d.simLink.promote(ctx, number, quarantine, force)
	if err == nil {
		err = d.commit(ctx, "in the new epoch")
		d.world.kill(d.i)
	}
	return gtid, err
}

// The new writer fails before anybody has looked at it: the old one was not there in its
// epoch, and is not promoted again, nor taken for tainted.
func TestServerThatMissedAnEpochNobodySawIsNotPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times, err := Fast.timing()
		must(t, err)
		w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
		n := newSimNode(w, "a", times)
		time.Sleep(time.Second)
		n.hand.stations[1] = dying{n.links[1]}
		w.kill(0)
		time.Sleep(5 * time.Second)
		n.stop()
		n.hand.stations[1] = n.links[1]
		n.start() // from its memory
		time.Sleep(5 * time.Second)
		w.start(0)
		time.Sleep(10 * time.Second)
		n.stop()
		one, two := w.servers[0], w.servers[1]
		if two.top().number != 2 || !two.rows["in the new epoch"] {
			t.Fatalf("the scene was not set: %+v", two.top())
		}
		if !one.locked || one.top().number > 2 || one.tail != "" {
			t.Errorf("server 1: locked %v, epoch %d, tail %q", one.locked, one.top().number, one.tail)
		}
	})
}

// One node's two names lead to one server, by a slip in the DNS.
func TestTwoNamesForOneServerDoNotLockIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times, err := Fast.timing()
		must(t, err)
		w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
		good := newSimNode(w, "good", times)
		time.Sleep(time.Second)
		astray := &simNode{name: "astray", world: w, timing: times, hand: hand{timing: times}}
		for i := range astray.links {
			astray.links[i] = &simLink{world: w, node: "astray", i: 0, cut: func() bool { return false }}
			astray.hand.stations[i] = astray.links[i]
		}
		astray.start()
		locked := 0
		for range 2000 {
			time.Sleep(5 * time.Millisecond)
			w.set(func() {
				if w.servers[0].locked {
					locked++
				}
			})
		}
		astray.mu.Lock()
		_, err = astray.pair.order(Secondary, true, time.Now())
		astray.mu.Unlock()
		if locked > 0 || err == nil {
			t.Errorf("the only writer was found locked %d times of 2000; a forced switch says %v", locked, err)
		}
		good.stop()
		astray.stop()
	})
}

// simTail is a world in which server 1 died with a tail and is back, locked, while server 2 has
// taken over in epoch 2 and in quarantine.
func simTail(t *testing.T) (*simWorld, *hand, [2]*simLink) {
	w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
	h, links := simHand(t, w)
	w.set(func() { w.feed[1] = false })
	must(t, links[0].commit(t.Context(), "tail"))
	w.kill(0)
	_, err := links[1].promote(t.Context(), 2, true, false)
	must(t, err)
	w.start(0)
	w.set(func() { w.feed[1] = true })
	return w, h, links
}

// Force leads to a server that was in quarantine while the other one wrote.
func TestForceRecordsWhatAServerInQuarantineSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h, links := simTail(t)
		tail := "from 0"
		_, _, err := links[0].fence(t.Context(), epoch{2, 2, w.servers[1].epochs[2].gtid}, false, &tail)
		must(t, err)
		must(t, links[0].resume(t.Context()))
		must(t, links[1].commit(t.Context(), "acknowledged in epoch 2"))
		o := h.carry(t.Context(), &task{
			kind: taskMove, to: Primary, epoch: epoch{3, 1, ""}, from: w.servers[1].top(), force: true, began: time.Now(),
		})
		must(t, o.err)
		n := newSimNode(w, "a", h.timing)
		time.Sleep(5 * time.Second)
		n.stop()
		if one, two := w.servers[0], w.servers[1]; one.rows["acknowledged in epoch 2"] || two.tail == "" || !two.quarantined {
			t.Errorf("server 2: tail %q, quarantined %v", two.tail, two.quarantined)
		}
	})
}

// A node that was slow does not lock the writer of a later epoch.
func TestLateMoveLeavesTheWriterOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
		h, links := simHand(t, w)
		_, _, err := links[0].fence(t.Context(), epoch{2, 2, ""}, true, nil)
		must(t, err)
		_, err = links[1].promote(t.Context(), 2, false, false)
		must(t, err)
		_, _, err = links[1].fence(t.Context(), epoch{3, 1, ""}, true, nil)
		must(t, err)
		_, err = links[0].promote(t.Context(), 3, false, false)
		must(t, err)
		o := h.carry(t.Context(), &task{
			kind: taskMove, to: Secondary, epoch: epoch{2, 2, ""}, from: epoch{1, 1, ""}, planned: true, began: time.Now(),
		})
		if o.err == nil || w.servers[0].locked {
			t.Errorf("%v; the writer is locked: %v", o.err, w.servers[0].locked)
		}
	})
}

// A promotion was cut short (a crash, a full disk) after its gate and before its epoch.
func TestGateWithoutAnEpochDoesNotStopReplicationForGood(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	two := d.pair.Servers[1]
	n := d.node(t, "north", "n", Careful)
	n.well(t, StatePrimary, 1)
	two.SQL("USE hipaakit", "DO GET_LOCK(hipaakit.latch('north'), 2)", "SET SESSION binlog_format=STATEMENT", "REPLACE INTO hipaakit.gate VALUES ('north', 2)")
	two.SQL("INSERT INTO south.note (text) VALUES ('flows')")
	eventually(t, "the neighbour's row arrives", func() bool { return d.texts(t, "south", 1)["flows"] })
	eventually(t, "north is well again", func() bool {
		s := n.c.Status()
		return s.State == StatePrimary && s.Epoch == 3 && !d.look(t, "north", 1).quarantined
	})
	n.write(t, "after")
	two.AwaitCaughtUp(d.pair.Servers[0])
	if !d.texts(t, "north", 2)["after"] || !d.look(t, "north", 2).locked {
		t.Error("the pair is not as it was")
	}
}
