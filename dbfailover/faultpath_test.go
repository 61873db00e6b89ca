package dbfailover

import (
	"errors"
	"testing"
)

// One node's path to the primary is gone, others write there. Careful does not move, and
// the node says so to its load balancer. Fast may decide before a canary can veto: a
// needless move, with the old writer's last writes in its tail.
func onePath(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(func() { s.a.paths[Primary].Blackhole() })
	s.good(t, 0, "one path lost (by the other node)")
	eventually(t, "the node doubts", func() bool { return s.a.c.Status().State != StatePrimary })
	s.long()
	moved := s.a.c.Status().Epoch > s.epoch
	if err := s.a.c.Ready(); !errors.Is(err, ErrVetoed) && !(moved && s.timers == Fast) && !s.b.starved() {
		t.Errorf("the node is ready: %v; %+v", err, s.a.c.Status())
	}
	s.a.paths[Primary].Heal()
	s.serves(t)
}

func bothPaths(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(func() {
		s.a.paths[Primary].Blackhole()
		s.b.paths[Primary].Blackhole()
	})
	s.good(t, 2, "both paths lost")
	s.a.paths[Primary].Heal()
	s.b.paths[Primary].Heal()
	s.fenced(t)
}

// Nobody moves, and nobody can be moved: what is acknowledged here is not there.
func cutFeeds(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(func() {
		s.pair.Feeds[0].Blackhole()
		s.pair.Feeds[1].Blackhole()
	})
	s.good(t, 0, "replication cut")
	s.long()
	s.stays(t)
	if s.south.c.Status().Epoch != 1 {
		t.Error("the neighbour moved")
	}
	s.strike(func() {
		if s.a.c.Status().Active == Primary && s.a.c.Switch(t.Context(), Secondary) == nil && !s.a.starved() {
			t.Error("a planned switch without replication")
		}
	})
	s.good(t, 0, "replication cut: a Switch is tried and given up")
	s.pair.Feeds[0].Heal()
	s.pair.Feeds[1].Heal()
}
