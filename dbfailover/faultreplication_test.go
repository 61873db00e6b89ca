package dbfailover

import (
	"testing"
	"time"
)

// A conflict in somebody's schema stops replication from server 1 to server 2.
func (s *scene) conflict(t *testing.T, app string) {
	t.Helper()
	s.differ = true
	s.pair.Servers[1].SQL("SET sql_log_bin=0", "INSERT INTO "+app+".note VALUES (1000001, 'conflict')")
	s.pair.Servers[0].SQL("INSERT INTO " + app + ".note VALUES (1000001, 'other')")
	eventually(t, "replication stops", func() bool { return s.look(t, "north", 2).feed.errno == 1062 })
}

// Server 2 lacks rows that were acknowledged: nobody is promoted, server 1 is waited for.
func brokenByThis(t *testing.T, s *scene) {
	s.warm(t)
	s.conflict(t, "north")
	s.pair.Servers[0].Kill()
	moved := false // before the kill, which is another story
	eventually(t, "nobody to go to", func() bool {
		now := s.a.c.Status()
		moved = now.State == StateSecondary && s.a.starved()
		return now.State == StateDown || moved
	})
	if moved {
		s.strike(s.pair.Servers[0].Start)
		s.good(t, 0, "replication broken by this application: moved before the kill, by slow checks")
		return
	}
	eventually(t, "the reason", func() bool {
		s.a.c.mu.Lock()
		defer s.a.c.mu.Unlock()
		return s.a.c.replicated.pair.unfit(Secondary, time.Now()) == whyNotApplied
	})
	if !s.look(t, "north", 2).locked {
		t.Error("a server that lacks acknowledged rows was opened")
	}
	s.strike(s.pair.Servers[0].Start)
	s.good(t, 1, "replication broken by this application, kill -9: from the restart")
}

// What cannot be applied is the neighbour's alone: it holds nobody up.
func brokenByTheOther(t *testing.T, s *scene) {
	s.a.write(t, "before")
	s.pair.Servers[1].AwaitCaughtUp(s.pair.Servers[0])
	s.conflict(t, "south")
	s.strike(s.pair.Servers[0].Kill)
	s.load()
	s.good(t, 2, "replication broken by the other application, kill -9")
	if !s.texts(t, "north", 2)["before"] {
		t.Error("an acknowledged row is missing")
	}
	s.pair.Servers[0].Start()
}
