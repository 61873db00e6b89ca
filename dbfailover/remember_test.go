package dbfailover

import (
	"log/slog"
	"testing"
	"time"
)

// rememberer is a Connector as far as it keeps its epoch.
func rememberer(t *testing.T) (*Connector, *pair) {
	times, err := Careful.timing()
	must(t, err)
	p := newPair(times, Manual, memory{}, time.Now())
	r := &replicated{app: App{Name: "north", Folder: t.TempDir()}, pair: p}
	return &Connector{replicated: r, decider: p, log: slog.New(slog.DiscardHandler)}, p
}

func TestOnlyACertainEpochIsKeptAndNoneIsForgotten(t *testing.T) {
	c, p := rememberer(t)
	kept := func(what string, want epoch) {
		t.Helper()
		c.remember()
		got, err := recall(c.replicated.app)
		if err != nil || got.highest != want {
			t.Errorf("%s: %+v, %v, want %+v", what, got.highest, err, want)
		}
	}
	p.highest = epoch{3, 2, "1-1-5"}
	kept("not certain", epoch{})
	p.vouched = true
	kept("certain", epoch{3, 2, "1-1-5"})
	p.highest.gtid = "1-1-5,2-2-7"
	kept("its position is known", epoch{3, 2, "1-1-5,2-2-7"})
	p.highest = epoch{2, 1, "1-1-9"}
	kept("an earlier one", epoch{3, 2, "1-1-5,2-2-7"})
	p.highest, p.vouched = epoch{4, 1, ""}, false
	kept("a later one, not certain", epoch{3, 2, "1-1-5,2-2-7"})
}
