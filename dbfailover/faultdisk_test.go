package dbfailover

import (
	"context"
	"sync"
	"testing"
)

// Checks and small updates go on for a while; the canary tells. It takes long because
// MariaDB tries again only once a minute when its disk was full.
func diskFull(t *testing.T, s *scene) {
	s.warm(t)
	s.strike(s.pair.Servers[0].FillDisk)
	s.good(t, 2, "disk full")
	s.pair.Servers[0].FreeDisk()
	s.pair.Servers[0].Revive()
	s.fenced(t)
}

// Commits wait behind another account's, which first found the disk full and is not ours
// to kill: neither do the application's threads end.
func diskFullBehindAnother(t *testing.T, s *scene) {
	one := s.pair.Servers[0]
	one.SQL("CREATE TABLE south.filler (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)")
	s.pair.Servers[1].AwaitCaughtUp(one)
	s.warm(t)
	ctx, end := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for ctx.Err() == nil {
				_, _ = one.Root().ExecContext(ctx, "INSERT INTO south.filler (b) VALUES (REPEAT('x', 200000))")
			}
		})
	}
	s.strike(one.FillDisk)
	s.good(t, 2, "disk full, behind another's commit")
	end()
	work.Wait()
	one.FreeDisk()
	one.Revive()
	s.fenced(t)
}

func canariesStall(t *testing.T, s *scene) {
	s.warm(t)
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
