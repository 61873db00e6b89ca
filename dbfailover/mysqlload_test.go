package dbfailover

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// MySQL sends a transaction before it counts it as executed. A server that is busy then
// seems to lack what the other one has of it, as one does that was restored from an old
// copy: its position alone would have it tainted for good.
func TestMySQLServerUnderLoadDoesNotPassForAnOldCopy(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := newGlance(t, d, 1), newGlance(t, d, 2)
	end := make(chan struct{})
	var work sync.WaitGroup
	for i := range 8 {
		s, app := d.pair.Servers[i%2], []string{"north", "south"}[i%2]
		work.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-end:
					return
				default:
				}
				if _, err := s.Root().Exec("INSERT INTO "+app+".note (text) VALUES (?)", fmt.Sprintf("%d-%d", i, k)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	behind := 0
	for i := range 1000 {
		theirs := two(t)
		ours := one(t)
		if i%2 == 1 {
			theirs, ours = one(t), two(t)
		}
		for _, elsewhere := range []string{theirs.at, theirs.feed.received} {
			if lacks(ours.wrote(), ours.origin(), elsewhere) {
				t.Errorf("%q lacks of %q", ours.wrote(), elsewhere)
			}
			if lacks(ours.at, ours.origin(), elsewhere) {
				behind++
			}
		}
	}
	close(end)
	work.Wait()
	t.Logf("%d times of 2000 by its position alone", behind)
}

// newGlance returns a function that looks once, on one connection.
func newGlance(t *testing.T, d *duo, id int) func(*testing.T) sight {
	s := d.station(t, "north", id)
	conn, err := s.open(t.Context())
	must(t, err)
	l := &looker{app: "north", node: "test", schemas: d.apps["north"].Schemas, end: s.end}
	return func(t *testing.T) sight {
		seen, err := l.look(t.Context(), conn)
		must(t, err)
		return seen
	}
}

// A neighbour's long statement is just applied where a filter is to be set: STOP REPLICA
// waits for it, and who waits for that is given up and killed.
func TestAppliersGoOnAfterAChangeOfFiltersWasCutShort(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	one.SQL("CREATE TABLE app.big (n BIGINT PRIMARY KEY)")
	two.AwaitCaughtUp(one)
	a := d.node(t, "north", "a", Careful)
	a.well(t, StatePrimary, 1)
	one.SQL("SET SESSION binlog_format=STATEMENT", "INSERT INTO app.big SELECT IF(@@GLOBAL.server_id=1, 0, 10 + BENCHMARK(30000000, SHA2('x',512)))")
	running := "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER='system user' AND INFO LIKE '%BENCHMARK%'"
	eventually(t, "it is being applied", func() bool { return count(t, two, running) > 0 })
	s := d.station(t, "north", 2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.promote(ctx, 2, true, true)
	s.leave() // after the kill
	t.Logf("promote: %v; still applied: %v", err, count(t, two, running) > 0)
	if err == nil {
		t.Error("the scene was not set: the filter was changed under the statement")
	}
	eventually(t, "server 2 applies again", func() bool { return d.look(t, "north", 2).feed.running() })
	one.SQL("INSERT INTO south.note (text) VALUES ('flows')")
	two.AwaitCaughtUp(one)
	if s := d.look(t, "north", 2); s.feed.gated || s.top.number != 1 {
		t.Errorf("%+v", s)
	}
}
