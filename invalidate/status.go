package invalidate

import "time"

// Status is what an operator asks of a node. It names no object.
type Status struct {
	Fresh  bool   // whether keys not in doubt may be served unconfirmed now
	Boot   string // random id of this process
	Doubts int    // keys that peers are writing
	Open   int    // writes of this node that are announced and not over
	Peers  []PeerStatus
}

// PeerStatus is the state of one peer, in the order given to New.
type PeerStatus struct {
	Name    string
	Held    time.Duration // what remains of the lease held from the peer; 0: none
	Granted time.Duration // what remains of the leases granted to the peer; 0: none
	Missed  uint64        // writes of this process that ended without the peer's acknowledgment
	Landing time.Duration // until when the peer's earlier process may have requests in flight, from now; 0: none
}

// Status is a snapshot.
func (n *Node) Status() Status {
	s := Status{Boot: n.grants.boot, Fresh: n.leases.fresh.now() < time.Duration(n.leases.fresh.until.Load())}
	s.Doubts = int(n.leases.fresh.doubtful.Load())
	for _, p := range n.peers {
		ps := PeerStatus{Name: p.Name}
		ps.Held, ps.Landing = n.leases.status(p.Name)
		ps.Granted, ps.Missed = n.grants.status(p.Name)
		s.Peers = append(s.Peers, ps)
	}
	n.grants.mu.Lock()
	s.Open = len(n.grants.open)
	n.grants.mu.Unlock()
	return s
}

func (h *holder) status(peer string) (held, landing time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, now := h.views[peer], h.fresh.now()
	return max(0, v.until-now), max(0, v.landed-now)
}

func (g *grantor) status(peer string) (granted time.Duration, missed uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.peers[peer]
	return max(0, time.Until(h.latest())), h.missed - 1
}
