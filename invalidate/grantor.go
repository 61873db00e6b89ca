package invalidate

import (
	"sync"
	"time"
)

// clockMargin: clocks of two nodes may differ in rate by one part in a hundred. Crystals stay within
// 0.01 %, and NTP slews by at most 0.05 %.
const clockMargin = 100

// grantor is the writing half of a node: the leases it has granted and the writes it has announced.
//
// Registering an announcement and granting a lease exclude each other, so every lease was granted
// either before the announcement, and then the writer waits for it, or after, and then it carries it.
type grantor struct {
	boot string
	born time.Time
	term time.Duration

	mu     sync.Mutex
	closed bool
	seq    uint64
	open   map[uint64]*announcement
	peers  map[string]*holding
}

// holding is what one peer may hold of this node.
type holding struct {
	// until has an entry for each process of the peer: a farewell that arrives after the peer has
	// restarted must not take the lease of the new process. The entry of "" is for leases granted by
	// an earlier process of this node.
	until  map[string]time.Time
	missed uint64
}

// announcement is a write that has not ended.
type announcement struct {
	seq    uint64
	key    string
	waits  map[string]*wait // by peer, all of them
	handed bool             // Announce has returned: the write may be under way
	cancel func()           // stops what is still being sent of the intent
}

// wait is one peer's part in an announcement.
type wait struct {
	until   time.Time     // end of the last lease that does not carry the announcement
	settled chan struct{} // closed when the peer needs no waiting for any more
	acked   bool
}

func newGrantor(boot string, peers []Peer, term time.Duration, now time.Time) *grantor {
	g := &grantor{boot: boot, born: now, term: term, open: map[uint64]*announcement{}, peers: map[string]*holding{}}
	for _, p := range peers {
		g.peers[p.Name] = &holding{until: map[string]time.Time{"": g.leaseEnd(now)}, missed: 1}
	}
	return g
}

func (g *grantor) leaseEnd(granted time.Time) time.Time {
	return granted.Add(g.term + g.term/clockMargin)
}

// grant answers a lease request, and takes it as acknowledgment of what it says it has seen. A lease
// is never refused: a holder that missed something learns it from the same answer.
func (g *grantor) grant(q leaseRequest) leaseAnswer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q.Seen.Boot == g.boot {
		g.acknowledge(q.From, q.Seen.Seq)
	}
	now, h := time.Now(), g.peers[q.From]
	h.prune(now)
	h.until[q.Boot] = g.leaseEnd(now)
	a := leaseAnswer{Boot: g.boot, Age: now.Sub(g.born), Term: g.term, Missed: h.missed, Seq: g.seq}
	for _, o := range g.open {
		a.Open = append(a.Open, openKey{o.seq, []byte(o.key)})
	}
	return a
}

func (g *grantor) acknowledge(peer string, upTo uint64) {
	for seq, a := range g.open {
		if seq <= upTo {
			a.waits[peer].ack()
		}
	}
}

// register opens an announcement. From here on every lease carries it.
func (g *grantor) register(key string, cancel func()) (*announcement, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	g.seq++
	a := &announcement{seq: g.seq, key: key, waits: map[string]*wait{}, cancel: cancel}
	now := time.Now()
	for name, h := range g.peers {
		w := &wait{until: h.latest(), settled: make(chan struct{})}
		if !w.until.After(now) {
			w.settle()
		}
		a.waits[name] = w
	}
	g.open[a.seq] = a
	return a, nil
}

// acked records that a peer has applied the intent.
func (g *grantor) acked(a *announcement, peer string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.waits[peer].ack()
}

// hand gives the announcement to its writer. After close nothing is handed out any more, so that a
// farewell that says "nothing in flight" stays true.
func (g *grantor) hand(a *announcement) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	a.handed = true
	return nil
}

// finish ends an announcement and returns the peers that hold a doubt because of it. In the same step
// as it leaves the list that leases carry, the peers that never acknowledged it have missed something;
// unless nothing was written.
func (g *grantor) finish(a *announcement, written bool) (told []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, a.seq)
	for name, w := range a.waits {
		switch {
		case w.acked:
			told = append(told, name)
		case written:
			g.peers[name].missed++
		}
	}
	return told
}

// surrender takes back the leases of a peer's process that has left, and frees those who wait for them.
func (g *grantor) surrender(m farewell) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.peers[m.From]
	delete(h.until, m.Boot)
	if h.latest().After(time.Now()) {
		return
	}
	for _, a := range g.open {
		a.waits[m.From].settle()
	}
}

// close stops announcements and reports whether nothing that was announced can still be in flight.
func (g *grantor) close() (clean bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, clean = true, true
	for _, a := range g.open {
		clean = clean && !a.handed
	}
	return clean
}

func (h *holding) latest() (t time.Time) {
	for _, until := range h.until {
		if until.After(t) {
			t = until
		}
	}
	return t
}

func (h *holding) prune(now time.Time) {
	for boot, until := range h.until {
		if !until.After(now) {
			delete(h.until, boot)
		}
	}
}

// ack and settle are called with the grantor's lock held.
func (w *wait) ack() {
	w.acked = true
	w.settle()
}

func (w *wait) settle() {
	select {
	case <-w.settled:
	default:
		close(w.settled)
	}
}
