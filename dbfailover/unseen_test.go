package dbfailover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// unseen is a server whose performance_schema has been made small: a thread that had no room
// there is in the other list alone, and goes by the definer's name there while it calls a
// routine. It calls one that takes twice nap, and then writes; done says whether it was told
// that it had.
func (d *duo) unseen(t *testing.T, line string, nap float64) (s *server, done chan error) {
	d.tables(t)
	one := d.pair.Servers[0]
	one.SQL(fmt.Sprintf("CREATE DEFINER=root@localhost PROCEDURE north.slow() BEGIN DO SLEEP(%g); DO SLEEP(%[1]g); INSERT INTO north.note (text) VALUES ('late'); END", nap))
	one.Stop()
	one.Configure(line)
	one.Start()
	s = d.station(t, "north", 1)
	must(t, s.unfence(t.Context(), 1))
	app := d.direct(t, "north", 1)
	for range 30 { // idle: their names can be believed
		c, err := app.Conn(t.Context())
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
	}
	done = make(chan error)
	go func() {
		_, err := app.Exec("CALL slow()")
		done <- err
	}()
	eventually(t, "it runs", func() bool {
		return count(t, one, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%'") == 1
	})
	return s, done
}

func TestMySQLFenceCountsThreadsThatPerformanceSchemaLacks(t *testing.T) {
	for name, line := range map[string]string{
		"performance_schema_max_thread_instances": "performance-schema-max-thread-instances=40",
		"performance_schema_max_thread_classes":   "performance-schema-max-thread-classes=0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, done := newDuo(t, testbed.Options{}).unseen(t, line, 1.5)
			if list, err := s.refusals(t.Context()); err != nil || len(list) != 1 || !strings.Contains(list[0], name) {
				t.Errorf("what New says of it: %q, %v", list, err)
			}
			left, _, err := s.lock(t.Context(), 1)
			must(t, err)
			late := <-done == nil
			if left == 0 && late {
				t.Error("nobody was left, and then a row was committed")
			}
			if !late {
				t.Error("the scene was not set: the call was found")
			}
			eventually(t, "nobody is left in the end", func() bool {
				left, _, err := s.lock(t.Context(), 1)
				must(t, err)
				return left == 0
			})
		})
	}
}

// Such a thread is counted by a fence and not killed: its client still hears what becomes of it.
// No other server is opened past it.
func TestMySQLMoveWaitsForThreadsThatNobodyCouldKill(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	s, done := d.unseen(t, "performance-schema-max-thread-instances=40", 4.5)
	times, err := Fast.timing()
	must(t, err)
	h := hand{timing: times, stations: [2]station{s, d.station(t, "north", 2)}}
	o := h.carry(t.Context(), &task{kind: taskMove, to: Secondary, epoch: epoch{2, 2, ""}, from: epoch{1, 1, ""}, began: time.Now()})
	if !serverSaid(o.err, 30007) {
		t.Errorf("the move past it: %v", o.err)
	}
	open := !d.lockedOut(t, "north", 2)
	if err := <-done; err == nil && open {
		t.Error("server 2 was open, and then a write on server 1 was acknowledged")
	}
}
