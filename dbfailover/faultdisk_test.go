package dbfailover

import (
	"fmt"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func TestFaultCanaryStall(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s *scene) {
		s.load()
		holder, err := s.pair.Servers[0].Root().Conn(t.Context())
		must(t, err)
		defer holder.Close()
		begin := time.Now()
		_, err = holder.ExecContext(t.Context(), "LOCK TABLES hipaakit.canary READ")
		must(t, err)
		s.awaitWriter(t, "canary stall", begin, 2)
		_, err = holder.ExecContext(t.Context(), "UNLOCK TABLES")
		must(t, err)
		s.b.reaches(t, StateSecondary, 2)
		s.judge(t, 2, false)
	})
}

// MariaDB tries again only once a minute when its disk was full, so these take long.
func TestFaultDiskFullFast(t *testing.T) {
	t.Parallel()
	diskFull(t, Fast)
}

func TestFaultDiskFullCareful(t *testing.T) {
	t.Parallel()
	diskFull(t, Careful)
}

func diskFull(t *testing.T, timers Timers) {
	s := newScene(t, timers, testbed.Options{SmallDisk: true})
	s.load()
	time.Sleep(500 * time.Millisecond)
	begin := time.Now()
	s.pair.Servers[0].FillDisk()
	server, took := 0, time.Duration(0)
	for i := 0; server != 2; i++ {
		if time.Since(begin) > time.Minute { // against hanging
			t.Fatalf("nobody is promoted: %+v", s.a.c.Status())
		}
		server, _ = s.a.tryWrite(fmt.Sprintf("full %d", i))
		took = time.Since(begin)
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("%v: disk full: first good write on the other server after %v", timers, took)
	s.pair.Servers[0].FreeDisk()
	eventually(t, "server 1 is fenced", func() bool { s := s.look(t, "north", 1); return s.locked && s.top.number == 2 })
	s.judge(t, 2, false)
}
