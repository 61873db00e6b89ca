package invalidate

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Announce tells every peer that key is about to change. It returns when each has acknowledged or can
// no longer be serving the key unconfirmed, because its lease from this node has run out. After that
// the key may be written; call done when the write is over.
//
// Call done only when the outcome is certain: the write succeeded, was refused, or can no longer land.
// A request that timed out may still land for as long as Options.LandingTime. done blocks for at most
// one round of requests, never fails, and may be called more than once. Until it is called the peers
// confirm each use of key with S3.
//
// An error means that nothing may be written: ctx ended first, the node is not running, or the key is
// longer than 4096 bytes. What was announced is withdrawn; done is then a function that does nothing.
func (n *Node) Announce(ctx context.Context, key string) (done func(), err error) {
	a, err := n.announce(ctx, key)
	if err != nil {
		return func() {}, err
	}
	if err := n.await(ctx, a); err != nil {
		n.withdraw(a)
		return func() {}, err
	}
	return sync.OnceFunc(func() {
		a.cancel()
		n.sayOver(a, n.grants.finish(a, true))
	}), nil
}

// announce registers the write and sends the intent to the peers that have to be waited for. The
// others hold no lease: the next one they get tells them.
func (n *Node) announce(ctx context.Context, key string) (*announcement, error) {
	if err := n.ready(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("invalidate: announcing: %w", err)
	}
	if len(key) > maxKey {
		return nil, fmt.Errorf("invalidate: announcing: key has %d bytes, at most %d are possible", len(key), maxKey)
	}
	sending, cancel := context.WithCancel(n.run)
	a, err := n.grants.register(key, cancel)
	if err != nil {
		cancel()
		return nil, err
	}
	m := encode(notice{From: n.id.Name, Boot: n.grants.boot, Seq: a.seq, Key: []byte(key)})
	for _, p := range n.peers {
		if a.waits[p.Name].pending() {
			n.spawn(func() { n.tell(sending, p, a, m) })
		}
	}
	return a, nil
}

func (n *Node) ready() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.state {
	case created:
		return ErrNotStarted
	case started:
		return nil
	default:
		return ErrClosed
	}
}

// tell sends the intent once. If it is lost, the peer's next heartbeat fetches it: trying again would
// only be load on a network that has trouble.
func (n *Node) tell(ctx context.Context, p Peer, a *announcement, message []byte) {
	if _, err := n.send(ctx, p, pathAnnounce, message); err == nil {
		n.grants.acked(a, p.Name)
	}
}

// await blocks until no peer needs waiting for, and then hands the write out.
func (n *Node) await(ctx context.Context, a *announcement) error {
	for peer, w := range a.waits {
		if err := n.awaitPeer(ctx, peer, w); err != nil {
			return err
		}
	}
	return n.grants.hand(a)
}

func (n *Node) awaitPeer(ctx context.Context, peer string, w *wait) error {
	left := time.Until(w.until)
	if !w.pending() || left <= 0 {
		return nil
	}
	expired := time.NewTimer(left)
	defer expired.Stop()
	select {
	case <-w.settled:
		return nil
	case <-expired.C:
		return nil
	case <-n.run.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("invalidate: announcing: peer %q has not acknowledged and still holds a lease: %w", peer, ctx.Err())
	}
}

// withdraw ends an announcement that nobody may use. The caller's context has ended, so the peers are
// told in the background.
func (n *Node) withdraw(a *announcement) {
	a.cancel()
	told := n.grants.finish(a, false)
	n.spawn(func() { n.sayOver(a, told) })
}

// sayOver is one round. A peer that does not hear it keeps the doubt until its next lease answer.
func (n *Node) sayOver(a *announcement, told []string) {
	m := encode(notice{From: n.id.Name, Boot: n.grants.boot, Seq: a.seq, Key: []byte(a.key), Over: true})
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, p := range n.peers {
		for _, name := range told {
			if name == p.Name {
				wg.Go(func() { n.send(n.run, p, pathAnnounce, m) })
			}
		}
	}
}

func (w *wait) pending() bool {
	select {
	case <-w.settled:
		return false
	default:
		return true
	}
}
