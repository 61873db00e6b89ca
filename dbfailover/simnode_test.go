package dbfailover

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// simNode is a web node on a simWorld: the machine, the hand and the checks as in a
// Connector, without connections.
type simNode struct {
	name  string
	world *simWorld
	cuts  [2]bool // guarded by world.mu

	mu     sync.Mutex
	pair   *pair
	hand   hand
	news   chan struct{}
	kept   memory
	timing timing
	links  [2]*simLink
	seen   []Transition

	end  context.CancelFunc
	work sync.WaitGroup
}

func newSimNode(w *simWorld, name string, times timing) *simNode {
	n := &simNode{name: name, world: w, timing: times, hand: hand{timing: times}}
	for i := range n.links {
		n.links[i] = &simLink{world: w, node: name, i: i, cut: func() bool { return n.cuts[i] }}
		n.hand.stations[i] = n.links[i]
	}
	n.start()
	return n
}

func (n *simNode) start() {
	ctx, end := context.WithCancel(context.Background())
	n.end, n.news = end, make(chan struct{})
	n.pair = newPair(n.timing, WhenSynced, n.kept, time.Now())
	for _, r := range []Role{Primary, Secondary} {
		n.work.Go(func() { n.check(ctx, r) })
		n.work.Go(func() { n.sing(ctx, r) })
	}
	n.work.Go(func() { n.handle(ctx) })
	n.work.Go(func() { n.write(ctx) })
}

func (n *simNode) stop() {
	n.end()
	n.work.Wait()
}

// apply is Connector.apply and remember; n.mu is held.
func (n *simNode) apply(changes []Transition) {
	n.seen = append(n.seen, changes...)
	if n.pair.vouched && n.pair.highest.number >= n.kept.highest.number {
		n.kept = memory{n.pair.highest, n.pair.ids}
	}
	close(n.news)
	n.news = make(chan struct{})
}

func (n *simNode) check(ctx context.Context, role Role) {
	for number := uint64(1); ctx.Err() == nil; number++ {
		r := result{role: role, number: number, began: time.Now()}
		limited, cancel := context.WithTimeout(ctx, n.timing.timeout)
		seen, err := n.links[role].look(limited)
		cancel()
		r.ended, r.sight = time.Now(), seen
		if r.health, r.reason = judge(err); ctx.Err() != nil {
			return
		}
		n.mu.Lock()
		n.apply(n.pair.observe(r))
		pause := n.timing.pause(n.pair.state, n.pair.servers[role])
		n.mu.Unlock()
		_ = nap(ctx, pause)
	}
}

func (n *simNode) sing(ctx context.Context, role Role) {
	for number := uint64(time.Now().UnixMilli()); ctx.Err() == nil; number++ {
		n.mu.Lock()
		may := n.pair.sings(role)
		n.mu.Unlock()
		if !may {
			_ = nap(ctx, n.timing.beat)
			continue
		}
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, n.timing.stall/2)
		err := n.links[role].beat(limited, number)
		cancel()
		if ctx.Err() != nil {
			return
		}
		n.mu.Lock()
		n.apply(n.pair.beat(role, number, err == nil, cannotWrite(err), began, time.Now()))
		n.mu.Unlock()
		_ = nap(ctx, n.timing.beat)
	}
}

func (n *simNode) handle(ctx context.Context) {
	for ctx.Err() == nil {
		n.mu.Lock()
		news := n.news
		t, changes := n.pair.next(time.Now())
		n.seen = append(n.seen, changes...)
		n.mu.Unlock()
		if t == nil {
			select {
			case <-news:
			case <-ctx.Done():
			}
			continue
		}
		o := n.hand.carry(ctx, t)
		if ctx.Err() != nil {
			return
		}
		n.mu.Lock()
		n.apply(n.pair.finish(t, o))
		n.mu.Unlock()
		if t.answer != nil {
			t.answer <- o.err
		}
	}
}

// write is the application: one row after the other, to the server in use.
func (n *simNode) write(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		n.mu.Lock()
		state, active, turn := n.pair.state, n.pair.active, n.pair.turn
		n.mu.Unlock()
		if state.serving() {
			limited, cancel := context.WithTimeout(ctx, 10*time.Second)
			stop := n.onTurn(limited, turn, cancel)
			_ = n.links[active].commit(limited, fmt.Sprintf("%s-%d-%d", n.name, time.Now().UnixNano(), i))
			cancel()
			stop()
		}
		_ = nap(ctx, 40*time.Millisecond)
	}
}

// onTurn cuts a statement when the machine turns, as the sockets are.
func (n *simNode) onTurn(ctx context.Context, turn uint64, cut func()) func() {
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			n.mu.Lock()
			news, now := n.news, n.pair.turn
			n.mu.Unlock()
			if now != turn {
				cut()
				return
			}
			select {
			case <-news:
			case <-ctx.Done():
			}
		}
	})
	return work.Wait
}

// order is Switch.
func (n *simNode) order(to Role) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, _ = n.pair.order(to, false, time.Now())
	n.apply(nil)
}
