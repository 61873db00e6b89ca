package invalidate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Shredder is a Listener that can destroy for good what it holds under some keys of a keyring.
type Shredder interface {
	// Shred is called when a peer has destroyed keys, whose names mean something to the caches
	// alone. Without an error nothing can be read any more that needed them. It may ask the
	// network, must be idempotent, and must heed its context, which ends after 8 s and with Close.
	Shred(ctx context.Context, keys []string) error
}

const (
	// shredTime bounds a Shredder: the server cuts an answer that takes 10 s.
	shredTime = 8 * time.Second
	// shredPatience is how long a peer is waited for.
	shredPatience = shredTime + 4*time.Second
	// maxShred bounds the keys of one message, in bytes of base64 with quotes and comma, so that
	// the message stays below maxRequest. One key always fits.
	maxShred = 12 << 10
)

var errNotShredded = errors.New("the cache has not shredded")

// Shred has every peer shred what it holds under keys, by its Listener, which must be a Shredder. It
// returns when each has answered, or 12 s later, or when ctx ends. Nil says that all have done it. Else
// the error joins one for each peer that may not have: that was not reached, whose answer was lost, or
// that answered that it could not. Shredding again is safe, and is the remedy.
//
// Unlike a write it does not wait for leases: a peer that is cut off still holds what it held, and is
// in the error, for as long as nobody reaches it. It is an error, too, if this node is not started or
// is closed, or if a key is longer than 4096 bytes; then nobody may have been told.
func (n *Node) Shred(ctx context.Context, keys []string) error {
	if err := n.ready(); err != nil {
		return err
	}
	orders, err := n.shredOrders(keys)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, shredPatience)
	defer cancel()
	defer context.AfterFunc(n.run, cancel)()
	failed := make([]error, len(n.peers))
	var all sync.WaitGroup
	for i, p := range n.peers {
		all.Go(func() { failed[i] = n.shredAt(ctx, p, orders) })
	}
	all.Wait()
	return errors.Join(failed...)
}

func (n *Node) shredAt(ctx context.Context, p Peer, orders [][]byte) error {
	for _, m := range orders {
		if _, err := n.net.post(ctx, p, pathShred, m); err != nil {
			return fmt.Errorf("invalidate: peer %q has not confirmed that it shredded: %w", p.Name, err)
		}
	}
	return nil
}

// shredOrders encodes the messages that carry keys.
func (n *Node) shredOrders(keys []string) (orders [][]byte, err error) {
	m, size := order{From: n.id.Name}, 0
	for i, key := range keys {
		if len(key) > maxKey {
			return nil, fmt.Errorf("invalidate: shredding: key has %d bytes, at most %d are possible", len(key), maxKey)
		}
		m.Keys = append(m.Keys, []byte(key))
		size += base64.StdEncoding.EncodedLen(len(key)) + len(`"",`)
		if i+1 == len(keys) || size+base64.StdEncoding.EncodedLen(len(keys[i+1]))+len(`"",`) > maxShred {
			orders = append(orders, encode(m))
			m.Keys, size = nil, 0
		}
	}
	return orders, nil
}

// shred carries out a peer's order. What the cache could not do is not acknowledged.
func (n *Node) shred(m order) error {
	ctx, cancel := context.WithTimeout(n.run, shredTime)
	defer cancel()
	keys := make([]string, len(m.Keys))
	for i, key := range m.Keys {
		keys[i] = string(key)
	}
	return n.leases.listener().shred(ctx, keys)
}

func (h *holder) listener() *patient {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &h.cache
}

// shred is not called under the holder's lock, and may be several times at once: it may ask the
// network, and invalidations must not wait for that.
func (p *patient) shred(ctx context.Context, keys []string) error {
	s, ok := p.cache.(Shredder)
	if !ok {
		return fmt.Errorf("%w: it is no Shredder", errNotShredded)
	}
	answer := make(chan error, 1)
	p.do(func() { answer <- s.Shred(ctx, keys) })
	select {
	case err := <-answer:
		if err != nil {
			return fmt.Errorf("%w: %w", errNotShredded, err)
		}
		return nil
	default: // given up, or left behind
		return ErrClosed
	}
}
