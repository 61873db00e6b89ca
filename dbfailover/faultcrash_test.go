package dbfailover

import (
	"errors"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func kill(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(s.pair.Servers[0].Kill)
	s.good(t, 2, "kill -9")
	s.pair.Servers[0].Start()
}

func shutdown(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(s.pair.Servers[0].Terminate)
	s.good(t, 2, "SIGTERM")
	s.pair.Servers[0].Stop()
	s.pair.Servers[0].Start()
}

// What had been sent to a stopped server may be carried out when it goes on: its caller
// has been told that nobody knows, and it is kept apart. What had not been sent is not.
func pause(t *testing.T, s *scene) {
	s.warm(t)
	tx, err := s.b.db.Begin()
	must(t, err)
	_, err = tx.Exec("INSERT INTO note (text) VALUES ('late')")
	must(t, err)
	sent, err := s.b.db.Begin()
	must(t, err)
	_, err = sent.Exec("INSERT INTO note (text) VALUES ('sent')")
	must(t, err)
	s.strike(s.pair.Servers[0].Pause)
	if err := sent.Commit(); !errors.Is(err, ErrCommitUnknown) { // it lies in the server's socket
		t.Errorf("COMMIT to a stopped server: %v", err)
	}
	s.good(t, 2, "SIGSTOP, SIGCONT")
	s.left(t)
	if err := tx.Commit(); !errors.Is(err, ErrConnLost) {
		t.Errorf("a transaction of the old epoch: %v", err)
	}
	s.pair.Servers[0].Resume()
	s.fenced(t)
	for id := 1; id <= 2; id++ {
		if s.texts(t, "north", id)["late"] {
			t.Errorf("server %d has the row of a transaction that was not committed", id)
		}
	}
	if s.texts(t, "north", 2)["sent"] || s.texts(t, "north", 1)["sent"] && s.look(t, "north", 1).tail == "" {
		t.Error("a late COMMIT was mixed in")
	}
}

// fenced waits until server 1 knows that it is not the writer any more.
func (s *scene) fenced(t *testing.T) {
	t.Helper()
	eventually(t, "server 1 is fenced", func() bool {
		seen := s.look(t, "north", 1)
		return seen.locked && seen.top.number > s.epoch
	})
}

// left waits until the other node knows as well that server 1 is not the writer any more.
func (s *scene) left(t *testing.T) {
	t.Helper()
	eventually(t, "b has left server 1", func() bool {
		now := s.b.c.Status()
		return now.State == StateSecondary && now.Epoch > s.epoch
	})
}

// Fast has no hold-off: there a restart is a failure.
func quickRestart(t *testing.T, s *scene) {
	s.warm(t)
	if s.timers == Fast {
		s.strike(s.pair.Servers[0].Kill)
		s.good(t, 2, "restart within the hold-off (Fast has none: moved)")
		s.pair.Servers[0].Start()
		return
	}
	s.strike(func() {
		s.pair.Servers[0].Kill()
		s.pair.Servers[0].Start()
	})
	by := s.good(t, 0, "restart within the hold-off")
	if slow := s.struck.end.Sub(s.struck.begin) > s.times.holdOff || s.south.starved(); by != 1 && !slow {
		t.Errorf("server %d writes: %+v", by, s.a.c.Status().Recent)
	}
}

func bothRestarted(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(func() {
		for _, i := range []int{1, 0} { // the writer last: it could not be replaced
			s.pair.Servers[i].Kill()
		}
		for _, srv := range s.pair.Servers {
			srv.Start()
		}
	})
	s.good(t, 1, "both restarted")
}

// Server 2 has taken over and is gone: server 1, back alone, lacks its writes. Once it gets
// those it may be the writer as well.
func onlyTheOldPrimary(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(s.pair.Servers[0].Kill)
	s.good(t, 2, "only the old primary restarted: first the move")
	s.pair.Servers[1].Kill()
	s.pair.Servers[0].Start()
	s.nobody(t)
	s.strike(s.pair.Servers[1].Start)
	s.good(t, 0, "only the old primary restarted: from the return of the other")
}

// nobody writes to server 1, which has come back alone.
func (s *scene) nobody(t *testing.T) {
	t.Helper()
	eventually(t, "a is down", func() bool { now := s.a.c.Status(); return now.State == StateDown && now.Epoch > s.epoch })
	if _, err := s.a.tryWrite("must not"); err == nil {
		t.Error("the old primary was written")
	}
	if !s.look(t, "north", 1).locked {
		t.Error("the old primary is open")
	}
}

// The same, and no web node is left that has seen the move: their memory has.
func allNodes(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(s.pair.Servers[0].Kill)
	s.good(t, 2, "all nodes restarted: first the move")
	s.left(t)
	s.stop()
	s.a.stop()
	s.b.stop()
	s.pair.Servers[1].Kill()
	s.pair.Servers[0].Start()
	s.a.start(t)
	s.b.start(t)
	s.load()
	s.nobody(t)
	s.strike(s.pair.Servers[1].Start)
	s.good(t, 0, "all nodes restarted: from the return of the writer")
}

func copyServer1(d *duo) {
	one := d.pair.Servers[0]
	one.Stop()
	d.copied = one.Backup()
	one.Start()
}

// lose lets server 1 lose what was written since its copy was made.
func (s *scene) lose() {
	one, two := s.pair.Servers[0], s.pair.Servers[1]
	two.AwaitCaughtUp(one)
	one.Kill()
	one.Restore(s.copied)
}

// It comes back before anybody has replaced it, and has been given its own writes again,
// which it skips, before a node looks: its position has no gap.
func oldCopyAtOnce(t *testing.T, s *scene) {
	s.warm(t)
	s.stop()
	s.stopNodes()
	s.lose()
	s.strike(s.pair.Servers[0].Start)
	want := s.look(t, "north", 2).at
	for tries := 0; tries < 100 && lacks(s.look(t, "north", 1).at, s.look(t, "north", 1).origin(), want); tries++ {
		time.Sleep(20 * time.Millisecond)
	}
	s.startNodes(t)
	s.load()
	s.good(t, 2, "old copy comes back as the writer")
	s.tainted(t)
}

// It comes back when server 2 is the writer, and the nodes are there with their canaries.
// Once an administrator has repaired it, it may be the writer again.
func oldCopyLater(t *testing.T, s *scene) {
	s.warm(t)
	s.stop()
	s.lose()
	s.load()
	s.struck.begin, s.struck.end = time.Now(), time.Now()
	s.good(t, 2, "old copy comes back after a move")
	s.pair.Servers[0].Start()
	s.tainted(t)
	s.long() // a lot of canaries
	if err := s.a.c.Switch(t.Context(), Primary); err == nil {
		t.Error("switched to the old copy")
	}
	s.stop()
	s.repair(t)
	s.home(t)
	s.load()
	s.strike(func() {})
	s.good(t, 1, "old copy comes back after a move: repaired")
}

// repair does what an administrator does: north's rows as they are on server 2.
func (s *scene) repair(t *testing.T) {
	t.Helper()
	one, two := s.pair.Servers[0], s.pair.Servers[1]
	m := mending{bad: one, good: two, copy: func() []string { return s.notes(t, two) }}
	if s.flavour == MySQL {
		// Else it gives the numbers again that it has lost.
		lost := written(s.look(t, "north", 2).at, s.look(t, "north", 1).origin())
		m.before = []string{"SET GLOBAL gtid_purged=CONCAT('+', GTID_SUBTRACT('" + lost + "', @@GLOBAL.gtid_executed))"}
	}
	s.mend(t, m)
	two.SQL("START REPLICA") // which stopped for good, if it asked while the other one had less than it
}

func (s *scene) tainted(t *testing.T) {
	t.Helper()
	eventually(t, "server 1 is tainted", func() bool { return s.look(t, "north", 1).tail == tailLost })
}

func (s *scene) stopNodes() {
	s.a.stop()
	s.b.stop()
}

func (s *scene) startNodes(t *testing.T) {
	s.a.start(t)
	s.b.start(t)
}

// A node without memory meets a server that was locked at its boot, alone.
func TestBootLockedServerIsNotGuessed(t *testing.T) {
	t.Parallel()
	s := newScene(t, newStage(t, testbed.Options{}), Careful)
	s.stopNodes()
	for _, srv := range s.pair.Servers {
		srv.Kill()
	}
	s.pair.Servers[0].Start()
	s.a.conf.App.Folder = t.TempDir()
	s.a.start(t)
	s.a.reaches(t, StateDown, 1)
	if _, err := s.a.tryWrite("guess"); !errors.Is(err, ErrDown) {
		t.Errorf("got %v", err)
	}
	if err := s.a.c.Switch(t.Context(), Primary); err == nil {
		t.Error("opened without Force")
	}
	must(t, s.a.c.Switch(t.Context(), Primary, Force))
	if id := s.a.write(t, "forced"); id != 1 {
		t.Errorf("server %d", id)
	}
	s.b.start(t)
	s.b.reaches(t, StatePrimary, 3)
	s.pair.Servers[1].Start()
}
