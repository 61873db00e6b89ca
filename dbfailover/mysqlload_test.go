package dbfailover

import (
	"fmt"
	"sync"
	"testing"

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
