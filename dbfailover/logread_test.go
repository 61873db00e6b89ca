package dbfailover

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// fill returns statements that write n rows in one transaction.
func fill(schema string) []string {
	return []string{
		"CREATE TABLE " + schema + ".bulk (id INT PRIMARY KEY, x INT)",
		"CREATE PROCEDURE " + schema + ".fill(n INT) BEGIN DECLARE i INT DEFAULT 0; START TRANSACTION; " +
			"WHILE i < n DO INSERT INTO " + schema + ".bulk VALUES (i, i); SET i = i + 1; END WHILE; COMMIT; END",
	}
}

// A log of some size takes longer to read than a task has.
func TestTailIsFoundInPieces(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	one.SQL(append(fill("north"), "CALL north.fill(150000)")...)
	since := d.look(t, "north", 1).at
	one.SQL("INSERT INTO north.note (text) VALUES ('tail')", "FLUSH BINARY LOGS", "INSERT INTO north.note (text) VALUES ('more')")
	s := d.station(t, "north", 1)
	_, err := s.open(t.Context())
	must(t, err)
	tries, found := 0, ""
	for {
		tries++
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		found, err = s.tail(ctx, since)
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, errReading) && ctx.Err() == nil || tries > 5000 {
			t.Fatalf("try %d: %v", tries, err)
		}
	}
	t.Logf("%d tries", tries)
	if !strings.HasPrefix(found, "2 transactions") {
		t.Errorf("%q", found)
	}
	one.SQL("INSERT INTO north.note (text) VALUES ('still more')")
	if found, err = s.tail(t.Context(), since); err != nil || !strings.HasPrefix(found, "3 transactions") {
		t.Errorf("asked again: %q, %v", found, err)
	}
	fresh := d.station(t, "north", 1)
	if at, err := fresh.tail(t.Context(), since); err != nil || at != found {
		t.Errorf("in one go: %q, %v; in pieces %q", at, err, found)
	}
}

// The neighbour's replication towards this application's primary is broken, and what it
// writes piles up in the relay log: no check of a server that is well may suffer.
func TestNeighboursBrokenReplicationMovesNobody(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one, two := d.pair.Servers[0], d.pair.Servers[1]
	two.SQL(fill("south")...)
	one.AwaitCaughtUp(two)
	n := d.node(t, "north", "n", Careful)
	n.well(t, StatePrimary, 1)
	one.SQL("SET sql_log_bin=0", "INSERT INTO south.note VALUES (1000, 'here')")
	two.SQL("INSERT INTO south.note VALUES (1000, 'there')")
	eventually(t, "it is broken", func() bool { return d.look(t, "south", 1).feed.errno == 1062 })
	two.SQL("CALL south.fill(100000)")
	time.Sleep(4 * time.Second) // what a switch takes, and more
	n.well(t, StatePrimary, 1)
	// The same seen from a server that may have to take over: it is not north's, so it is fit.
	s := d.station(t, "south", 1)
	l := &looker{app: "south", node: "test", schemas: d.apps["south"].Schemas, end: s.end}
	conn, err := s.open(t.Context())
	must(t, err)
	for _, c := range []struct {
		schemas []string
		applied bool
	}{{d.apps["south"].Schemas, false}, {[]string{"nobodys"}, true}} {
		l.schemas, l.stopped = c.schemas, place{}
		if s, err := l.look(t.Context(), conn); err != nil || s.feed.applied != c.applied {
			t.Errorf("schemas %v: %+v, %v", c.schemas, s.feed, err)
		}
	}
}
