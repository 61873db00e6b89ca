package dbfailover

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A process that was stopped after it had decided must not promote on old news.
func TestMoveDecidedLongAgoIsNotCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times, err := Fast.timing()
		must(t, err)
		w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
		h := hand{timing: times}
		for i := range 2 {
			h.stations[i] = &simLink{world: w, node: "n", i: i, cut: func() bool { return false }}
		}
		w.kill(0)
		task := &task{kind: taskMove, to: Secondary, epoch: epoch{2, 2, ""}, hopeless: true, began: time.Now().Add(-time.Minute)}
		if o := h.carry(t.Context(), task); !errors.Is(o.err, errStale) || !w.servers[1].locked {
			t.Errorf("carried out: %v", o.err)
		}
		task.began = time.Now()
		if o := h.carry(t.Context(), task); o.err != nil || w.servers[1].locked {
			t.Errorf("in time: %v", o.err)
		}
	})
}

// Whatever step of a planned move fails, the application has a server afterwards, or
// the next node finishes it.
func TestPlannedMoveIsUndoneWhereReplicationDoesNotFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times, err := Fast.timing()
		must(t, err)
		w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
		h := hand{timing: times}
		var links [2]*simLink
		for i := range 2 {
			links[i] = &simLink{world: w, node: "n", i: i, cut: func() bool { return false }}
			h.stations[i] = links[i]
		}
		w.set(func() { w.feed[1] = false })
		must(t, links[0].commit(t.Context(), "not replicated"))
		task := &task{kind: taskMove, to: Secondary, epoch: epoch{2, 2, ""}, from: epoch{1, 1, ""}, planned: true, began: time.Now()}
		o := h.carry(t.Context(), task)
		if !errors.Is(o.err, errBehind) || w.servers[0].locked || !w.servers[1].locked || w.servers[0].top().number != 1 {
			t.Errorf("%v: server 1 locked %v, server 2 locked %v", o.err, w.servers[0].locked, w.servers[1].locked)
		}
		w.set(func() { w.feed[1] = true })
		task.began = time.Now()
		if o := h.carry(t.Context(), task); o.err != nil || !w.servers[0].locked || w.servers[1].locked || !w.servers[1].rows["not replicated"] {
			t.Errorf("when it follows: %v", o.err)
		}
	})
}
