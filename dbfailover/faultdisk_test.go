package dbfailover

import (
	"testing"
)

// Checks and small updates go on for a while; the canary tells. It takes long because
// MariaDB tries again only once a minute when its disk was full.
func diskFull(t *testing.T, s *scene) {
	s.warm()
	s.strike(s.pair.Servers[0].FillDisk)
	s.good(t, 2, "disk full")
	s.pair.Servers[0].FreeDisk()
	s.pair.Servers[0].Revive()
	s.fenced(t)
}

func canariesStall(t *testing.T, s *scene) {
	s.warm()
	holder, err := s.pair.Servers[0].Root().Conn(t.Context())
	must(t, err)
	defer holder.Close()
	s.strike(func() {
		_, err := holder.ExecContext(t.Context(), "LOCK TABLES hipaakit.canary READ")
		must(t, err)
	})
	s.good(t, 2, "canaries stall")
	_, err = holder.ExecContext(t.Context(), "UNLOCK TABLES")
	must(t, err)
	s.left(t)
}
