package invalidate

import "time"

// keepLease asks one peer for a lease at every heartbeat until the node closes.
func (n *Node) keepLease(p Peer) {
	answering := true
	for {
		begun := time.Now()
		err := n.renewAndAcknowledge(p)
		if n.run.Err() != nil {
			return
		}
		if answering != (err == nil) {
			answering = err == nil
			n.logAnswering(p, err)
		}
		n.pause(n.o.Heartbeat - time.Since(begun))
	}
}

// pause ends early when the node closes.
func (n *Node) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-n.run.Done():
	case <-timer.C:
	}
}

// renewAndAcknowledge asks again at once if the answer brought something: the second request is the
// acknowledgment that a writer waits for. Only once, so that steady writes cannot make it spin.
func (n *Node) renewAndAcknowledge(p Peer) error {
	news, err := n.renew(p)
	if err == nil && news {
		_, err = n.renew(p)
	}
	return err
}

// renew counts the lease from before the request leaves: the peer counts from later.
func (n *Node) renew(p Peer) (news bool, err error) {
	have, meeting := n.leases.ask(p.Name)
	sent := n.leases.fresh.now()
	q := leaseRequest{From: n.id.Name, Boot: n.grants.boot, Age: time.Since(n.grants.born), Seen: have}
	body, err := n.send(n.run, p, pathLease, encode(q))
	if err != nil {
		return false, err
	}
	var a leaseAnswer
	if err := decode(body, &a); err != nil {
		return false, err
	}
	return n.leases.apply(p.Name, a, sent, meeting), nil
}

func (n *Node) logAnswering(p Peer, err error) {
	if err != nil {
		n.o.Logger.Warn("peer gives no lease; cached entries are confirmed with S3", "peer", p.Name, "error", err)
		return
	}
	n.o.Logger.Info("peer gives leases again", "peer", p.Name)
}
