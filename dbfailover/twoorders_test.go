package dbfailover

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever happens on which node: a number belongs to one server.
func TestNoNumberIsEverGivenToBothServers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	given := map[uint64]uint32{1: 1}
	known := []epoch{{number: 1, server: 1}} // rows, of which each node has seen some
	for range 10000 {
		p := serving(t)
		p.highest = known[len(known)-1-rng.IntN(min(len(known), 5))]
		p.servers[rng.IntN(2)].sight.top = known[len(known)-1-rng.IntN(min(len(known), 5))]
		e := p.fresh(Role(rng.IntN(2)))
		if e.number <= p.highest.number {
			t.Fatalf("%+v after %+v", e, p.highest)
		}
		if server, ok := given[e.number]; ok && server != e.server {
			t.Fatalf("number %d for server %d and for server %d", e.number, server, e.server)
		}
		given[e.number] = e.server
		if e.above(known[len(known)-1]) {
			known = append(known, e)
		}
	}
}

// slowLink is a station whose node is slow before or after it fences, as on a busy machine.
type slowLink struct {
	*simLink
	before, after chan struct{}
}

func (h slowLink) fence(ctx context.Context, e epoch, own bool, tail *string) (int, string, error) {
	<-h.before
	left, at, err := h.simLink.fence(ctx, e, own, tail)
	<-h.after
	return left, at, err
}

// Two people at once, neither of whom knows of the other, nor uses Force; nothing is broken.
func TestTwoSwitchesAtOnceEndWithOneWriter(t *testing.T) {
	for _, first := range []string{"to the other one", "to the suspect"} {
		t.Run("first "+first, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { crossOrders(t, first == "to the suspect") }) })
	}
}

// crossOrders lets a move to the secondary and one to the primary, which the first move has
// made a suspect, each tell the other server of its epoch before either opens one.
func crossOrders(t *testing.T, suspectFirst bool) {
	times, err := Fast.timing()
	must(t, err)
	w := newSimWorld(rand.New(rand.NewPCG(1, 1)))
	a, b := newSimNode(w, "a", times), newSimNode(w, "b", times)
	defer a.stop()
	defer b.stop()
	time.Sleep(2 * time.Second)
	now := make(chan struct{})
	close(now)
	slow, late := make(chan struct{}), make(chan struct{})
	a.hand.stations[Primary] = slowLink{a.links[Primary], slow, now}
	b.hand.stations[Secondary] = slowLink{b.links[Secondary], now, late}
	a.order(Secondary)
	b.await(func(p *pair) bool { return p.state == StateSuspect })
	b.await(func(p *pair) bool { return b.ordered(p, Primary) })
	time.Sleep(100 * time.Millisecond)
	if suspectFirst {
		slow, late = late, slow
	}
	close(slow)
	time.Sleep(20 * time.Millisecond)
	close(late)
	time.Sleep(time.Minute)
	for _, n := range []*simNode{a, b} {
		if !n.has(func(p *pair) bool { return p.state.serving() }) {
			t.Errorf("%s: %s", n.name, n.says())
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if one, two := w.servers[0], w.servers[1]; one.locked == two.locked {
		t.Errorf("locked %v and %v; epochs %+v and %+v", one.locked, two.locked, one.epochs, two.epochs)
	}
}

func (n *simNode) has(ok func(*pair) bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return ok(n.pair)
}

func (n *simNode) await(ok func(*pair) bool) {
	for !n.has(ok) {
		time.Sleep(time.Millisecond)
	}
}

// ordered reports whether the order was accepted.
func (n *simNode) ordered(p *pair, to Role) bool {
	_, err := p.order(to, false, time.Now())
	n.apply(nil)
	return err == nil
}

func (n *simNode) says() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return fmt.Sprintf("%v: %s", n.pair.state, n.pair.reason)
}
