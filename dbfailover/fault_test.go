package dbfailover

import (
	"errors"
	"fmt"
	"strings"
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
		begin := time.Now()
		s.pair.Servers[0].Pause()
		s.awaitWriter(t, "SIGSTOP", begin, 2)
		if err := tx.Commit(); err == nil {
			t.Error("a transaction of the old epoch was committed")
		}
		s.pair.Servers[0].Resume()
		eventually(t, "server 1 is fenced", func() bool { s := s.look(t, "north", 1); return s.locked && s.top.number == 2 })
		for id := 1; id <= 2; id++ {
			if s.texts(t, "north", id)["late"] {
				t.Errorf("server %d has the row of a transaction that was not committed", id)
			}
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

func TestFaultTooManyConnections(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	var held []func() error
	for range 12 {
		c, err := s.a.db.Conn(t.Context())
		must(t, err)
		held = append(held, c.Close)
	}
	root, err := s.pair.Servers[0].Root().Conn(t.Context()) // later there is no way in
	must(t, err)
	defer root.Close()
	_, err = root.ExecContext(t.Context(), "SET GLOBAL max_connections=10")
	must(t, err)
	eventually(t, "the checks meet it", func() bool { return s.a.c.Status().Servers[Primary].Reason == "server error 1040" })
	time.Sleep(2 * time.Second) // many times what a switch takes
	if got := s.a.c.Status(); got.Epoch != 1 {
		t.Errorf("epoch %d in %v: %s", got.Epoch, got.State, got.Reason)
	}
	_, err = root.ExecContext(t.Context(), "SET GLOBAL max_connections=300")
	must(t, err)
	for _, end := range held {
		_ = end()
	}
	s.a.well(t, StatePrimary, 1)
	s.a.write(t, "again")
}

func TestFaultWrongPasswordOfTheMonitor(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	s.pair.Servers[0].SQL("SET sql_log_bin=0", "ALTER USER north_mon@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('another')")
	eventually(t, "the checks meet it", func() bool { return s.a.c.Status().Servers[Primary].Health == HealthRefusing })
	time.Sleep(2 * time.Second)
	if id := s.a.write(t, "served all the same"); id != 1 {
		t.Errorf("server %d", id)
	}
	if got := s.a.c.Status(); got.Epoch != 1 || got.State != StatePrimary {
		t.Errorf("epoch %d in %v: %s", got.Epoch, got.State, got.Reason)
	}
}

func TestFaultExpiredCertificate(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	s.pair.Servers[0].Expire()
	eventually(t, "the checks meet it", func() bool {
		return s.a.c.Status().Servers[Primary].Reason == "certificate does not verify"
	})
	time.Sleep(2 * time.Second)
	if got := s.a.c.Status(); got.Epoch != 1 {
		t.Errorf("epoch %d in %v: %s", got.Epoch, got.State, got.Reason)
	}
	s.a.db.SetMaxIdleConns(0)
	if _, err := s.a.tryWrite("must not"); err == nil {
		t.Error("a new connection was made to a server whose certificate is expired")
	}
}

// A conflict in somebody's schema stops replication from server 1 to server 2.
func (s *scene) conflict(t *testing.T, app string) {
	t.Helper()
	s.pair.Servers[1].SQL("SET sql_log_bin=0", "INSERT INTO "+app+".note VALUES (1000001, 'conflict')")
	s.pair.Servers[0].SQL("INSERT INTO " + app + ".note VALUES (1000001, 'other')")
	eventually(t, "replication stops", func() bool { return s.look(t, "north", 2).feed.errno == 1062 })
}

func TestFaultReplicationBrokenByThisApplication(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	s.conflict(t, "north")
	s.pair.Servers[0].Kill()
	s.a.reaches(t, StateDown, 1)
	if got := s.a.c.Status(); !strings.Contains(got.Reason, "not applied") {
		t.Errorf("reason %q", got.Reason)
	}
	if !s.look(t, "north", 2).locked {
		t.Error("a server that lacks acknowledged rows was opened")
	}
	s.pair.Servers[0].Start()
	s.a.reaches(t, StatePrimary, 1)
	s.a.write(t, "back")
}

func TestFaultReplicationBrokenByTheOtherApplication(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		s.a.write(t, "before")
		s.pair.Servers[1].AwaitCaughtUp(s.pair.Servers[0])
		s.conflict(t, "south")
		s.load()
		begin := time.Now()
		s.pair.Servers[0].Kill()
		if s.look(t, "north", 2).feed.applied {
			s.awaitWriter(t, "kill -9 behind the neighbour's conflict", begin, 2)
		} else {
			t.Log("rows of north were received behind the conflict")
			s.a.reaches(t, StateDown, 1)
		}
		s.pair.Servers[0].Start()
		s.stop()
	})
}

func TestFaultRestoredFromAnOldCopy(t *testing.T) {
	s := newScene(t, Fast, testbed.Options{})
	one, two := s.pair.Servers[0], s.pair.Servers[1]
	one.Stop()
	copied := one.Backup()
	one.Start()
	s.a.firstGood(t, "between")
	if s.a.c.Status().State != StatePrimary { // it was away for longer than Fast waits
		eventually(t, "a switch back is possible", func() bool { return s.a.c.Switch(t.Context(), Primary) == nil })
	}
	for i := range 20 {
		s.a.write(t, fmt.Sprintf("lost by the copy %d", i))
	}
	two.AwaitCaughtUp(one)
	one.Kill()
	one.Restore(copied)
	s.a.stop() // so that nobody has replaced it when it comes back
	one.Start()
	s.a.start(t)
	id, took := s.a.firstGood(t, "after")
	t.Logf("fast: restored from an old copy: first good write after %v", took)
	if rows := s.texts(t, "north", id); !rows["lost by the copy 19"] {
		t.Errorf("server %d serves without acknowledged rows", id)
	}
}

func TestFaultLongStatementAndTransactionDuringASwitch(t *testing.T) {
	s := newScene(t, Careful, testbed.Options{})
	s.load()
	tx, err := s.b.db.Begin()
	must(t, err)
	_, err = tx.Exec("INSERT INTO note (text) VALUES ('long')")
	must(t, err)
	slow := make(chan error, 1)
	go func() {
		_, err := s.b.db.Exec("INSERT INTO note (text) SELECT CONCAT('slow', SLEEP(30))")
		slow <- err
	}()
	eventually(t, "the statement runs", func() bool {
		return count(t, s.pair.Servers[0], "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(30)%' AND ID<>CONNECTION_ID()") == 1
	})
	begin := time.Now()
	must(t, s.a.c.Switch(t.Context(), Secondary))
	t.Logf("careful: switch under a long statement took %v", time.Since(begin))
	if err := tx.Commit(); !errors.Is(err, ErrConnLost) && !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the open transaction: %v", err)
	}
	if err := <-slow; !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the long statement: %v", err)
	}
	s.awaitWriter(t, "the other server writes", begin, 2)
	for id := 1; id <= 2; id++ {
		if rows := s.texts(t, "north", id); rows["long"] || rows["slow0"] {
			t.Errorf("server %d has a row of what was killed", id)
		}
	}
	s.judge(t, 2, false)
}

func TestFaultGlobalReadLock(t *testing.T) {
	// A backup holds FTWRL on the writer: it cannot be fenced, so nobody is promoted.
	s := newScene(t, Fast, testbed.Options{})
	holder, err := s.pair.Servers[0].Root().Conn(t.Context())
	must(t, err)
	_, err = holder.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	must(t, err)
	if err := s.a.c.Switch(t.Context(), Secondary); err == nil {
		t.Error("the writer was replaced and could not be locked")
	}
	time.Sleep(4 * time.Second) // canaries hang all the time
	if sight := s.look(t, "north", 2); !sight.locked || sight.top.number != 1 {
		t.Errorf("server 2: %+v", sight)
	}
	must(t, holder.Close())
	s.pair.Servers[0].SQL("UNLOCK TABLES")
	_, took := s.a.firstGood(t, "after the lock")
	t.Logf("fast: global read lock: first good write %v after it ended", took)
	s.b.firstGood(t, "other node")
	for id := 1; id <= 2; id++ {
		if s.look(t, "north", id).top.number == s.a.c.Status().Epoch {
			return
		}
	}
	t.Error("no server has the epoch in use")
}
