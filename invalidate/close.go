package invalidate

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Close ends freshness, refuses new announcements and ends those that still wait, with ErrClosed. If
// no write is under way, the peers are told so, and a restart within the lease time leaves them
// fresh; so close after the last request is served. Close waits for every goroutine. When ctx ends it
// stops being polite and cuts connections; it then returns an error, but is closed all the same.
//
// What can outlive a Close whose ctx has ended is one call of the Listener, if one was under way that
// did not return: the error says so. Nothing else waits for it, and no other call follows.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	before := n.state
	n.state = closing
	n.mu.Unlock()
	if before == closing {
		return n.awaitClose(ctx)
	}
	defer close(n.closed)
	n.leases.close()
	clean := n.grants.close()
	n.stop()
	defer context.AfterFunc(ctx, func() { n.abandon(ctx.Err()) })()
	n.wg.Wait()
	if before == started {
		n.sayFarewell(ctx, clean)
	} else if n.id.Socket != nil {
		n.id.Socket.Close()
	}
	err := n.server.close(ctx)
	n.net.close()
	return errors.Join(err, n.leases.cache.err())
}

// awaitClose waits for the Close that came first. That one's ctx may have no end, so this one counts too.
func (n *Node) awaitClose(ctx context.Context) error {
	select {
	case <-n.closed: // also if ctx has ended as well
		return nil
	default:
	}
	defer context.AfterFunc(ctx, func() { n.abandon(ctx.Err()) })()
	select {
	case <-n.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("invalidate: closing: another Close is not done: %w", ctx.Err())
	}
}

// abandon stops waiting for the cache. It ends freshness and sending first, whoever closes: a node that
// went on with either would vouch for what its cache was never told.
func (n *Node) abandon(why error) {
	n.leases.close()
	n.stop()
	n.leases.cache.giveUp(why)
}

// sayFarewell is sent when this node is no longer fresh and holds no use for its leases, so that no
// writer waits for them.
func (n *Node) sayFarewell(ctx context.Context, clean bool) {
	m := encode(farewell{From: n.id.Name, Boot: n.grants.boot, Clean: clean})
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, p := range n.peers {
		wg.Go(func() {
			if _, err := n.send(ctx, p, pathLeave, m); err != nil {
				n.o.Logger.Info("peer was not told of the close", "peer", p.Name, "error", err)
			}
		})
	}
}
