package dbfailover

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// scene is two web nodes of north that write all the time, one of south as the
// neighbour, and a ledger of what they were told.
type scene struct {
	*duo
	a, b, south *webNode
	timers      Timers

	mu     sync.Mutex
	acked  map[string]bool // north's
	failed map[string]error
	down   atomic.Int64 // the neighbour's failed writes
	end    chan struct{}
	work   sync.WaitGroup
}

func newScene(t *testing.T, timers Timers, o testbed.Options) *scene {
	s := &scene{duo: newDuo(t, o), timers: timers, acked: map[string]bool{}, failed: map[string]error{}, end: make(chan struct{})}
	s.tables(t)
	s.a, s.b = s.node(t, "north", "a", timers), s.node(t, "north", "b", timers)
	s.south = s.node(t, "south", "s", timers)
	for _, n := range []*webNode{s.a, s.b, s.south} {
		n.well(t, StatePrimary, 1)
	}
	return s
}

// load lets all three write until stop.
func (s *scene) load() {
	for _, n := range []*webNode{s.a, s.b} {
		s.work.Go(func() { s.each(n, s.record) })
	}
	s.work.Go(func() {
		s.each(s.south, func(_ string, _ int, err error) {
			if err != nil {
				s.down.Add(1)
			}
		})
	})
}

func (s *scene) each(n *webNode, tell func(text string, server int, err error)) {
	for i := 0; ; i++ {
		select {
		case <-s.end:
			return
		case <-time.After(10 * time.Millisecond):
		}
		text := fmt.Sprintf("%s-%d", n.name, i)
		server, err := n.tryWrite(text)
		tell(text, server, err)
	}
}

func (s *scene) record(text string, server int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.acked[text] = true
	} else {
		s.failed[text] = err
	}
}

func (s *scene) stop() {
	close(s.end)
	s.work.Wait()
}

// judge: on the writer is every acknowledged row, unless the other server is tainted
// with it, and no row of which the application was told that it is safe to repeat.
func (s *scene) judge(t *testing.T, writer int, neighbourErrors bool) {
	t.Helper()
	s.stop()
	rows, other := s.texts(t, "north", writer), s.texts(t, "north", 3-writer)
	tainted := s.look(t, "north", 3-writer).tail != ""
	wrong := 0
	for text := range s.acked {
		if !rows[text] && !(tainted && other[text]) {
			wrong++
			t.Errorf("%q was acknowledged and is gone", text)
		}
	}
	for text, err := range s.failed {
		if errors.Is(err, ErrConnLost) && rows[text] {
			wrong++
			t.Errorf("%q is there, and the error was %v", text, err)
		}
	}
	t.Logf("%v: %d acknowledged, %d failed, %d wrong, %d errors of the neighbour", s.timers, len(s.acked), len(s.failed), wrong, s.down.Load())
	if len(s.acked) == 0 {
		t.Error("nothing was written")
	}
	if n := s.down.Load(); n > 0 && !neighbourErrors {
		t.Errorf("the neighbour had %d errors", n)
	}
}

func both(t *testing.T, body func(t *testing.T, s *scene)) {
	for _, timers := range []Timers{Fast, Careful} {
		t.Run(timers.String(), func(t *testing.T) { body(t, newScene(t, timers, testbed.Options{})) })
	}
}

// awaitWriter reports when a write reached the server in an epoch, from now on.
func (s *scene) awaitWriter(t *testing.T, what string, begin time.Time, server int) {
	t.Helper()
	eventually(t, what, func() bool {
		id, err := s.a.tryWrite(fmt.Sprintf("probe-%d", time.Now().UnixNano()))
		return err == nil && id == server
	})
	t.Logf("%v: %s: first good write after %v", s.timers, what, time.Since(begin))
}

func TestFaultKill(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		s.load()
		time.Sleep(300 * time.Millisecond)
		s.pair.Servers[0].Kill()
		s.awaitWriter(t, "kill -9", time.Now(), 2)
		s.pair.Servers[0].Start()
		s.judge(t, 2, false)
	})
}

func TestFaultShutdown(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		s.load()
		time.Sleep(300 * time.Millisecond)
		begin := time.Now()
		s.pair.Servers[0].Stop()
		s.awaitWriter(t, "SIGTERM", begin, 2)
		s.pair.Servers[0].Start()
		s.judge(t, 2, false)
	})
}

func TestFaultPause(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		s.load()
		time.Sleep(300 * time.Millisecond)
		tx, err := s.b.db.Begin()
		must(t, err)
		_, err = tx.Exec("INSERT INTO note (text) VALUES ('late')")
		must(t, err)
		sent, err := s.b.db.Begin()
		must(t, err)
		_, err = sent.Exec("INSERT INTO note (text) VALUES ('sent')")
		must(t, err)
		begin := time.Now()
		s.pair.Servers[0].Pause()
		if err := sent.Commit(); !errors.Is(err, ErrCommitUnknown) { // it lies in the server's socket
			t.Errorf("COMMIT to a stopped server: %v", err)
		}
		s.awaitWriter(t, "SIGSTOP", begin, 2)
		s.b.reaches(t, StateSecondary, 2)
		if err := tx.Commit(); !errors.Is(err, ErrConnLost) {
			t.Errorf("a transaction of the old epoch: %v", err)
		}
		s.pair.Servers[0].Resume()
		eventually(t, "server 1 is fenced", func() bool { s := s.look(t, "north", 1); return s.locked && s.top.number == 2 })
		for id := 1; id <= 2; id++ {
			if s.texts(t, "north", id)["late"] {
				t.Errorf("server %d has the row of a transaction that was not committed", id)
			}
		}
		// What had been sent may still be carried out, and is then kept apart.
		if s.texts(t, "north", 2)["sent"] || s.texts(t, "north", 1)["sent"] && s.look(t, "north", 1).tail == "" {
			t.Error("a late COMMIT was mixed in")
		}
		s.judge(t, 2, false)
	})
}

func TestFaultOnePath(t *testing.T) {
	// One node's path to the primary is gone, others write there: no switch, and the
	// node says so.
	s := newScene(t, Careful, testbed.Options{})
	s.load()
	time.Sleep(time.Second)
	s.a.paths[Primary].Blackhole()
	eventually(t, "the node doubts", func() bool { return s.a.c.Status().State != StatePrimary })
	time.Sleep(6 * time.Second) // far beyond the hold-off
	if err := s.a.c.Ready(); !errors.Is(err, ErrVetoed) {
		t.Errorf("the node is ready: %v; %+v", err, s.a.c.Status())
	}
	if got := s.b.c.Status(); got.Epoch != 1 || got.State != StatePrimary {
		t.Errorf("b is in %v, epoch %d", got.State, got.Epoch)
	}
	s.a.paths[Primary].Heal()
	s.a.reaches(t, StatePrimary, 1)
	s.judge(t, 1, false)
}

func TestFaultBothPaths(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		s.load()
		time.Sleep(300 * time.Millisecond)
		begin := time.Now()
		s.a.paths[Primary].Blackhole()
		s.b.paths[Primary].Blackhole()
		s.awaitWriter(t, "blackhole", begin, 2)
		s.a.paths[Primary].Heal()
		s.b.paths[Primary].Heal()
		eventually(t, "server 1 is fenced", func() bool { s := s.look(t, "north", 1); return s.locked && s.top.number == 2 })
		s.judge(t, 2, false)
	})
}

func TestFaultReplicationOnly(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	s.load()
	s.pair.Feeds[0].Blackhole()
	s.pair.Feeds[1].Blackhole()
	time.Sleep(3 * time.Second)
	for _, n := range []*webNode{s.a, s.b, s.south} {
		if got := n.c.Status(); got.Epoch != 1 || got.State != StatePrimary {
			t.Errorf("%s is in %v, epoch %d", n.name, got.State, got.Epoch)
		}
	}
	if err := s.a.c.Switch(t.Context(), Secondary); !errors.Is(err, errBehind) {
		t.Errorf("a planned switch without replication: %v", err)
	}
	s.awaitWriter(t, "the old server is open again", time.Now(), 1)
	s.pair.Feeds[0].Heal()
	s.pair.Feeds[1].Heal()
	s.judge(t, 1, false)
}

func TestFaultQuickRestartWithinTheHoldOff(t *testing.T) {
	s := newScene(t, Careful, testbed.Options{})
	s.load()
	time.Sleep(300 * time.Millisecond)
	begin := time.Now()
	s.pair.Servers[0].Kill()
	s.pair.Servers[0].Start()
	s.awaitWriter(t, "restart", begin, 1)
	if got := s.a.c.Status(); got.Epoch != 1 {
		t.Errorf("epoch %d: %s", got.Epoch, got.Reason)
	}
	s.judge(t, 1, false)
}

func TestFaultBothRestarted(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	s.load()
	time.Sleep(300 * time.Millisecond)
	for _, i := range []int{1, 0} { // the writer last: it could not be replaced
		s.pair.Servers[i].Kill()
	}
	for _, srv := range s.pair.Servers {
		srv.Start()
	}
	s.awaitWriter(t, "both restarted", time.Now(), 1)
	s.judge(t, 1, true)
}

func TestFaultAllNodesRestartedDuringAnOutage(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	s.pair.Servers[0].Kill()
	if id, _ := s.a.firstGood(t, "moved"); id != 2 {
		t.Fatalf("server %d", id)
	}
	s.b.reaches(t, StateSecondary, 2)
	s.a.stop()
	s.b.stop()
	s.pair.Servers[1].Kill()
	s.pair.Servers[0].Start() // only the old primary comes back
	s.a.start(t)
	// Its memory says that server 2 is the writer: nobody writes to server 1.
	if _, err := s.a.tryWrite("must not"); err == nil {
		t.Error("the old primary was written")
	}
	if sight := s.look(t, "north", 1); !sight.locked {
		t.Error("the old primary is open")
	}
	s.pair.Servers[1].Start()
	s.awaitWriter(t, "only the old primary, then both", time.Now(), 2)
	s.b.start(t)
}

func TestFaultBootLockedServerIsNotGuessed(t *testing.T) {
	// A node without memory meets a server that was locked at its boot, alone.
	s := newScene(t, Fast, testbed.Options{})
	s.a.stop()
	s.b.stop()
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
	s.b.reaches(t, StatePrimary, 2)
	s.pair.Servers[1].Start()
}
