package dbfailover

import (
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A thread that performance_schema has no room for is counted by a fence and not killed, since
// nobody knows whose it is: its client still hears what becomes of it. No other server is opened
// past it.
func TestMySQLMoveWaitsForThreadsThatNobodyCouldKill(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	one.SQL("CREATE DEFINER=root@localhost PROCEDURE north.slow() BEGIN DO SLEEP(4.5); DO SLEEP(4.5); INSERT INTO north.note (text) VALUES ('late'); END")
	one.Stop()
	one.Configure("performance-schema-max-thread-instances=40")
	one.Start()
	s := d.station(t, "north", 1)
	must(t, s.unfence(t.Context(), 1))
	app := d.direct(t, "north", 1)
	for range 30 {
		c, err := app.Conn(t.Context())
		must(t, err)
		defer c.Close()
	}
	done := make(chan error)
	go func() {
		_, err := app.Exec("CALL slow()")
		done <- err
	}()
	eventually(t, "it runs", func() bool {
		return count(t, one, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%'") == 1
	})
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
