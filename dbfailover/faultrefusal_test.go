package dbfailover

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func TestFaultTooManyConnections(t *testing.T) {
	t.Parallel()
	s := newScene(t, Careful, testbed.Options{})
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
	time.Sleep(6 * time.Second) // many times what a switch takes
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
	t.Parallel()
	s := newScene(t, Careful, testbed.Options{})
	s.pair.Servers[0].SQL("SET sql_log_bin=0", "ALTER USER north_mon@'127.0.0.1' "+s.pair.Servers[0].Identified("another"))
	eventually(t, "the checks meet it", func() bool { return s.a.c.Status().Servers[Primary].Health == HealthRefusing })
	time.Sleep(6 * time.Second)
	if id := s.a.write(t, "served all the same"); id != 1 {
		t.Errorf("server %d", id)
	}
	if got := s.a.c.Status(); got.Epoch != 1 || got.State != StatePrimary {
		t.Errorf("epoch %d in %v: %s", got.Epoch, got.State, got.Reason)
	}
}

func TestFaultExpiredCertificate(t *testing.T) {
	t.Parallel()
	s := newScene(t, Careful, testbed.Options{})
	s.pair.Servers[0].Expire()
	eventually(t, "the checks meet it", func() bool {
		return s.a.c.Status().Servers[Primary].Reason == "certificate does not verify"
	})
	time.Sleep(6 * time.Second)
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
	t.Parallel()
	s := newScene(t, Careful, testbed.Options{})
	s.conflict(t, "north")
	s.pair.Servers[0].Kill()
	s.a.reaches(t, StateDown, 1)
	eventually(t, "the reason", func() bool {
		s.a.c.mu.Lock()
		defer s.a.c.mu.Unlock()
		return s.a.c.replicated.pair.unfit(Secondary, time.Now()) == whyNotApplied
	})
	if !s.look(t, "north", 2).locked {
		t.Error("a server that lacks acknowledged rows was opened")
	}
	s.pair.Servers[0].Start()
	s.a.reaches(t, StatePrimary, 1)
	s.a.write(t, "back")
}

func TestFaultReplicationBrokenByTheOtherApplication(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	// A backup holds FTWRL on the writer: it cannot be fenced, so nobody is promoted.
	s := newScene(t, Careful, testbed.Options{})
	holder, err := s.pair.Servers[0].Root().Conn(t.Context())
	must(t, err)
	_, err = holder.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	must(t, err)
	if err := s.a.c.Switch(t.Context(), Secondary); err == nil {
		t.Error("the writer was replaced and could not be locked")
	}
	time.Sleep(8 * time.Second) // canaries hang all the time
	if sight := s.look(t, "north", 2); !sight.locked || sight.top.number != 1 {
		t.Errorf("server 2: %+v", sight)
	}
	must(t, holder.Close())
	s.pair.Servers[0].SQL("UNLOCK TABLES")
	_, took := s.a.firstGood(t, "after the lock")
	t.Logf("careful: global read lock: first good write %v after it ended", took)
	s.b.firstGood(t, "other node")
	for id := 1; id <= 2; id++ {
		if s.look(t, "north", id).top.number == s.a.c.Status().Epoch {
			return
		}
	}
	t.Error("no server has the epoch in use")
}

// Found out at its return, whatever the web nodes write to it meanwhile: with its numbers
// given again, its position would soon look like any other.
func TestFaultOldCopyStaysTainted(t *testing.T) {
	t.Parallel()
	s := newScene(t, Careful, testbed.Options{})
	one, two := s.pair.Servers[0], s.pair.Servers[1]
	s.a.stop()
	s.b.stop()
	one.Stop()
	copied := one.Backup()
	one.Start()
	s.a.start(t)
	s.b.start(t)
	s.a.well(t, StatePrimary, 1)
	for i := range 20 {
		s.a.write(t, fmt.Sprintf("lost by the copy %d", i))
	}
	two.AwaitCaughtUp(one)
	one.Kill()
	one.Restore(copied)
	s.a.firstGood(t, "after") // server 2 takes over
	one.Start()
	eventually(t, "server 1 is tainted", func() bool { return strings.Contains(s.look(t, "north", 1).tail, "old copy") })
	time.Sleep(3 * time.Second) // a lot of canaries
	s.a.well(t, StateSecondary, 2)
	if err := s.a.c.Switch(t.Context(), Primary); err == nil || !strings.Contains(err.Error(), "tainted") {
		t.Errorf("switch to the old copy: %v", err)
	}
}
