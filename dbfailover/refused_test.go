package dbfailover

import (
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// The secondary has read_only=1 (a maintenance, a backup's script). A planned Switch would
// record the epoch on the primary, which is locked for good then, and could not open the
// secondary: 1290, again and again.
func TestSwitchToAReadOnlyServerDoesNotEndInDown(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "before")
	d.pair.Servers[1].SQL("SET GLOBAL read_only=1")
	eventually(t, "the alarm", func() bool { return strings.Contains(strings.Join(a.c.Status().Alarms, ";"), "read-only") })
	if err := a.c.Switch(t.Context(), Secondary); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("switch: %v", err)
	}
	if id := a.write(t, "after"); id != 1 {
		t.Errorf("written to server %d", id)
	}
}

// Any account may take any user-level lock. A neighbour's (or the application's own, by an
// injected statement) keeps every fence and promotion of north away.
func TestNobodyElseHoldsTheApplicationsLock(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	stranger, err := d.direct(t, "south", 2).Conn(t.Context()) // south's own writer
	must(t, err)
	defer stranger.Close()
	if _, err = stranger.ExecContext(t.Context(), "DO GET_LOCK(hipaakit.latch('north'), 1)"); err == nil {
		t.Error("a neighbour can find out the lock's name")
	}
	for _, guess := range []string{"north", "hipaakit:north", "latch"} {
		_, err = stranger.ExecContext(t.Context(), "DO GET_LOCK(?, 1)", guess)
		must(t, err)
	}
	d.pair.Servers[0].Kill()
	a.reaches(t, StateSecondary, 2)
}

// The same where the primary dies: nobody takes over, the state says so at once to who
// connects, and the log is not filled.
func TestReadOnlySecondaryEndsInDown(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	d.pair.Servers[1].SQL("SET GLOBAL read_only=1")
	d.pair.Servers[0].Kill()
	a.reaches(t, StateDown, 1)
	if reason := a.c.Status().Reason; !strings.Contains(reason, "secondary: read-only") {
		t.Error(reason)
	}
	d.pair.Servers[1].SQL("SET GLOBAL read_only=0")
	a.reaches(t, StateSecondary, 2)
}

// What is refused lastingly, for whatever reason, is tried less and less often, with an
// alarm, one line in the log, and DOWN.
func TestRefusedMoveIsTriedLessAndLess(t *testing.T) {
	p := serving(t)
	refused, tried, alarms := error(refusal(1290)), 0, 0
	var states []State
	for begin := p.now; p.now.Sub(begin) < time.Minute; p.now = p.now.Add(20 * time.Millisecond) {
		p.check(Primary, HealthDead, sight{})
		p.see(Secondary, func(s *sight) {})
		if task, _ := p.next(p.now); task != nil {
			tried++
			p.finish(task, outcome{err: refused, reached: true, ended: p.now})
		}
		if p.trials.alarm() == "secondary move failed 3 times: server error 1290" {
			alarms++
		}
		if len(states) == 0 || states[len(states)-1] != p.state {
			states = append(states, p.state)
		}
	}
	if tried < 10 || tried > 60 || alarms == 0 {
		t.Errorf("%d attempts in a minute, alarm %q", tried, p.trials.alarm())
	}
	if p.state != StateDown || len(states) > 12 {
		t.Errorf("%v", states)
	}
}

// Two tasks that are both refused take turns. Each is counted for itself: otherwise neither would
// ever be an alarm, nor be tried less often.
func TestTasksThatAreRefusedInTurnsAreAnAlarm(t *testing.T) {
	p := serving(t)
	p.highest = epoch{2, 2, "1-1-10"} // recorded for server 2, which refuses; server 1 cannot store it
	kinds, tried := map[taskKind]int{}, 0
	for range 600 {
		p.now = p.now.Add(100 * time.Millisecond)
		p.see(Primary, isLocked)
		p.see(Secondary)
		if task, _ := p.next(p.now); task != nil {
			kinds[task.kind]++
			tried++
			p.finish(task, outcome{err: refusal(1114), reached: true, ended: p.now})
		}
	}
	if kinds[taskFence] < 10 || kinds[taskOpen]+kinds[taskMove] < 10 {
		t.Errorf("they do not take turns: %v", kinds)
	}
	for _, want := range []string{"primary fence failed", "secondary open failed", "primary move failed"} {
		if !strings.Contains(p.trials.alarm(), want) {
			t.Errorf("no alarm of %q: %q", want, p.trials.alarm())
		}
	}
	if pause := p.trials.pause(&task{kind: taskMove, to: Primary}, p.timing.cool); pause < 2*p.timing.cool {
		t.Errorf("the next try follows after %v", pause)
	}
	// A server that is in use ends what was about opening one; what locks the other one out goes on.
	p.see(Secondary, in(4, 2, "1-1-10,2-2-11"), isOpen)
	p.see(Primary, isLocked)
	if p.state != StateSecondary {
		t.Fatal(p.state)
	}
	if alarm := p.trials.alarm(); strings.Contains(alarm, "open") || strings.Contains(alarm, "move") || !strings.Contains(alarm, "primary fence") {
		t.Errorf("alarm %q", alarm)
	}
}
