package dbfailover

import (
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// Force onto a tainted server while the other one is away, which is what Force is for. The
// tainted one has passed over every row of epoch 2, but its position says it has them, and
// that position becomes epoch 3's. Server 2 comes back, is judged from there, and has "no
// tail": its acknowledged rows are on it alone, untainted, and nobody is told.
func TestForceOntoATaintedServerFindsTheOthersTailLater(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "both")
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	a.write(t, "tail")
	one.Kill()
	if id, _ := a.firstGood(t, "new"); id != 2 {
		t.Fatalf("written to server %d", id)
	}
	one.Start()
	d.pair.Feeds[1].Heal()
	eventually(t, "server 1 is tainted", func() bool { return d.look(t, "north", 1).tail != "" })
	a.well(t, StateSecondary, 2)
	for _, text := range []string{"second 1", "second 2", "second 3"} {
		a.write(t, text) // acknowledged, in epoch 2
	}
	one.AwaitCaughtUp(two)
	two.Kill()
	a.reaches(t, StateDown, 2)
	must(t, a.c.Switch(t.Context(), Primary, Force))
	if id := a.write(t, "forced"); id != 1 {
		t.Fatalf("written to server %d", id)
	}
	two.Start()
	eventually(t, "server 2 knows epoch 3 and has been judged", func() bool {
		s := d.look(t, "north", 2)
		return s.top.number == 3 && s.judged == 3
	})
	s := d.look(t, "north", 2)
	rows1, rows2 := d.texts(t, "north", 1), d.texts(t, "north", 2)
	if s.tail == "" {
		t.Errorf("server 2 has no tail; writer: %v, server 2: %v; alarms %q", rows1, rows2, a.c.Status().Alarms)
	}
}

// Server 1 dies with a tail, server 2 takes over and writes nothing (it is night). A human
// decides for the tail: Force onto server 1. Server 2 passed over the tail while it was in
// quarantine, and its position says that it has it. Its quarantine is taken away, it is "in
// step", and a planned Switch loses the row that was acknowledged.
func TestServerThatPassedOverATailIsNotInStep(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "both")
	two.AwaitCaughtUp(one)
	d.pair.Feeds[1].Cut()
	a.write(t, "acknowledged in epoch 1")
	one.Kill()
	a.reaches(t, StateSecondary, 2)
	one.Start()
	d.pair.Feeds[1].Heal()
	eventually(t, "server 1 is tainted", func() bool { return d.look(t, "north", 1).tail != "" })
	two.AwaitCaughtUp(one)
	a.well(t, StateSecondary, 2)
	must(t, a.c.Switch(t.Context(), Primary, Force))
	if id := a.write(t, "forced"); id != 1 {
		t.Fatalf("written to server %d", id)
	}
	a.well(t, StatePrimary, 3)
	two.AwaitCaughtUp(one)
	err := a.c.Switch(t.Context(), Secondary)
	if err == nil && !d.texts(t, "north", 2)["acknowledged in epoch 1"] {
		t.Error("a planned Switch without Force led to a server that lacks an acknowledged row")
	}
	if s := d.look(t, "north", 2); s.tail != tailPassed || !s.quarantined {
		t.Errorf("server 2: tail %q, quarantined %v, Switch said %v", s.tail, s.quarantined, err)
	}
}

// The same while server 2 is away: it is found out when it returns.
func TestServerThatPassedOverATailIsFoundOutWhenItReturns(t *testing.T) {
	p := serving(t)
	own := epoch{3, 1, "1-1-10,2-2-9"}
	p.see(Primary, func(s *sight) { s.top, s.forced, s.locked = own, true, false })
	p.see(Secondary, func(s *sight) { s.top, s.quarantined, s.locked = epoch{2, 2, "1-1-8,2-2-9"}, true, true })
	task, _ := p.next(p.now)
	if task == nil || task.kind != taskFence || task.to != Secondary || task.taint("") != tailPassed {
		t.Fatalf("%+v", task)
	}
	p.finish(task, outcome{reached: true, ended: p.now})
	// Repaired by an administrator: judged stays, and it is not tainted again.
	p.now = p.now.Add(time.Second)
	p.see(Primary, func(s *sight) { s.top, s.forced, s.locked = own, true, false })
	p.see(Secondary, func(s *sight) { s.top, s.judged, s.locked = own, 3, true })
	if task, _ := p.next(p.now); task != nil {
		t.Errorf("%+v", task)
	}
}

// Nobody but the writer knows: without it, a server that harms nobody is left in quarantine.
func TestQuarantineIsNotEndedUnseen(t *testing.T) {
	p := serving(t)
	p.highest = epoch{3, 1, "1-1-10,2-2-9"}
	p.servers[Primary].health = HealthDead
	p.see(Secondary, func(s *sight) { s.top, s.quarantined, s.locked = epoch{2, 2, "1-1-8,2-2-9"}, true, true })
	if task := p.fenceLower(); task != nil {
		t.Errorf("%+v", task)
	}
}
