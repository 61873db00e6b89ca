package dbfailover

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// The new writer dies before its quarantine is lifted, the old one takes over again with
// one of its own: neither may go on ignoring the other.
func TestTwoQuarantinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times, err := Fast.timing()
		must(t, err)
		w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
		nodes := []*simNode{newSimNode(w, "a", times), newSimNode(w, "b", times)}
		time.Sleep(time.Second)
		w.set(w.replicateAll) // no tail
		w.kill(0)
		time.Sleep(3 * time.Second) // server 2, epoch 2
		w.set(func() { w.feed[1] = false })
		w.start(0) // fenced, without a tail; server 2 does not follow yet
		time.Sleep(3 * time.Second)
		w.set(w.replicateAll)
		w.kill(1)
		time.Sleep(3 * time.Second) // server 1, epoch 3
		w.set(func() { w.feed[1] = true })
		w.start(1)
		time.Sleep(20 * time.Second)
		for _, n := range nodes {
			n.stop()
		}
		one, two := w.servers[0], w.servers[1]
		if one.top().number != 3 || one.quarantined || two.quarantined || one.tail+two.tail != "" {
			t.Errorf("epoch %d, quarantined %v and %v, tails %q %q", one.top().number, one.quarantined, two.quarantined, one.tail, two.tail)
		}
		w.set(w.replicateAll)
		for row := range one.rows {
			if !two.rows[row] {
				t.Fatalf("%q was passed over", row)
			}
		}
	})
}

func TestTwoQuarantinesEndOnRealServers(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a := d.node(t, "north", "a", Careful)
	a.well(t, StatePrimary, 1)
	one.Kill()
	a.firstGood(t, "in 2")
	d.pair.Feeds[1].Cut()
	one.Start()
	eventually(t, "server 1 is fenced and follows", func() bool {
		s := d.look(t, "north", 1)
		return s.top.number == 2 && s.locked && s.feed.running() && s.tail == ""
	})
	one.AwaitCaughtUp(two)
	a.well(t, StateSecondary, 2)
	two.Kill()
	a.reaches(t, StatePrimary, 3)
	d.pair.Feeds[1].Heal()
	two.Start()
	a.well(t, StatePrimary, 3)
	eventually(t, "both quarantines end", func() bool {
		return !d.look(t, "north", 1).quarantined && !d.look(t, "north", 2).quarantined
	})
	a.write(t, "in 3")
	two.AwaitCaughtUp(one)
	if !d.texts(t, "north", 2)["in 3"] {
		t.Error("a row of the writer was passed over")
	}
}

// Another node judged the server tainted in the middle of the move to it.
func TestEpochForATaintedServerIsTakenBack(t *testing.T) {
	p := newPanel(t, memory{})
	for range 200 {
		p.see(Primary, func(s *sight) {
			s.top, s.locked, s.tail, s.quarantined = epoch{2, 2, "1-1-5,2-2-5"}, true, "a tail", true
		})
		p.see(Secondary, func(s *sight) { s.top, s.locked = epoch{3, 1, "1-1-10,2-2-10"}, true })
		task, _ := p.next(p.now)
		if task != nil && task.kind == taskMove && task.to == Secondary {
			return
		}
		if task != nil {
			p.finish(task, outcome{reached: true, ended: p.now})
		}
	}
	t.Errorf("nobody may write: %v (%s)", p.state, p.reason)
}

func TestLiftOfAnEarlierEpochIsRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	s := d.station(t, "north", 2)
	_, err := s.promote(t.Context(), 2, true, false)
	must(t, err)
	if err := s.lift(t.Context(), 1); !serverSaid(err, errOvertaken) || !d.look(t, "north", 2).quarantined {
		t.Errorf("got %v", err)
	}
	if must(t, s.lift(t.Context(), 2)); d.look(t, "north", 2).quarantined {
		t.Error("not lifted")
	}
}

// The script is run again with one schema less and one more, while in quarantine.
func TestScriptRunAgainKeepsTheFilterInStep(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	one := d.pair.Servers[0]
	filter := func() string {
		status, err := one.Replication()
		must(t, err)
		return status["Replicate_Wild_Ignore_Table"]
	}
	one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', TRUE)")
	a := d.apps["north"]
	a.Schemas = []string{"north", "north_new"}
	script, err := Statements(a, Install{PrimaryID: 1, Monitor: "north_mon@127.0.0.1", Flavour: d.flavour})
	must(t, err)
	one.SQL(script...)
	if f := filter(); !strings.Contains(f, "new") || strings.Contains(f, "log") {
		t.Errorf("in quarantine it ignores %q", f)
	}
	one.SQL("SET sql_log_bin=0", "CALL hipaakit.set_quarantine('north', FALSE)")
	if f := filter(); f != "" {
		t.Errorf("without one it ignores %q", f)
	}
}

// Semi-sync is acknowledged by a relay log whose rows may be passed over.
func TestNoRPOZeroWhileTheOtherPassesRowsOver(t *testing.T) {
	for what, spoil := range map[string]func(*sight){
		"":            func(*sight) {},
		"quarantined": func(s *sight) { s.quarantined = true },
		"tainted":     func(s *sight) { s.tail = "a tail" },
		"deaf":        func(s *sight) { s.feed.receiving = false },
	} {
		p := serving(t)
		p.see(Primary, func(s *sight) { s.semiSync = true })
		p.see(Secondary, spoil)
		var s Status
		(&replicated{pair: p.pair}).describe(&s, p.now)
		if s.RPOZero != (what == "") {
			t.Errorf("%q: RPOZero is %v", what, s.RPOZero)
		}
	}
}
