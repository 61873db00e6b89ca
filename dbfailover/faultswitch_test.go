package dbfailover

import (
	"context"
	"errors"
	"testing"
	"time"
)

func longInASwitch(t *testing.T, s *scene) {
	s.warm(t)
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
	s.struck.begin, s.struck.end = time.Now(), time.Now()
	must(t, s.a.c.Switch(t.Context(), Secondary))
	s.good(t, 2, "long transaction and statement in a Switch")
	if err := tx.Commit(); !errors.Is(err, ErrConnLost) && !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the open transaction: %v", err)
	}
	if err := <-slow; !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the long statement: %v", err)
	}
	for id := 1; id <= 2; id++ {
		if rows := s.texts(t, "north", id); rows["long"] || rows["slow0"] {
			t.Errorf("server %d has a row of what was killed", id)
		}
	}
}

// A backup holds FTWRL on the writer: it answers and cannot be locked, so nobody is
// promoted, by an order or because its canaries hang.
func globalReadLock(t *testing.T, s *scene) {
	s.warm(t)
	holder, err := s.pair.Servers[0].Root().Conn(t.Context())
	must(t, err)
	_, err = holder.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	must(t, err)
	if err := s.a.c.Switch(t.Context(), Secondary); err == nil {
		t.Error("the writer was replaced and could not be locked")
	}
	time.Sleep(s.times.stall + s.times.act + time.Second) // canaries hang all the time
	s.unreplaced(t)
	s.strike(func() {
		_, err := holder.ExecContext(context.Background(), "UNLOCK TABLES")
		must(t, err)
		must(t, holder.Close())
	})
	s.good(t, s.serves(t), "global read lock: from its end")
}

// unreplaced: nobody moved because nothing can be written. Slow checks may have been taken
// for a death meanwhile.
func (s *scene) unreplaced(t *testing.T) {
	t.Helper()
	seen := s.look(t, "north", 2)
	if seen.locked && seen.top.number == s.epoch {
		return
	}
	for _, n := range []*webNode{s.a, s.b} {
		if n.starved() {
			return
		}
	}
	t.Errorf("server 2: %+v", seen)
}
