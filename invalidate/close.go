package invalidate

import (
	"context"
	"sync"
)

// Close ends freshness, refuses new announcements and ends those that still wait, with ErrClosed. If
// no write is under way, the peers are told so, and a restart within the lease time leaves them
// fresh; so close after the last request is served. Close waits for every goroutine. When ctx ends it
// stops being polite and cuts connections; it then returns an error, but is closed all the same.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	before := n.state
	n.state = closing
	n.mu.Unlock()
	if before == closing {
		<-n.closed
		return nil
	}
	defer close(n.closed)
	n.leases.close()
	clean := n.grants.close()
	n.stop()
	n.wg.Wait()
	if before == started {
		n.sayFarewell(ctx, clean)
	} else if n.id.Socket != nil {
		n.id.Socket.Close()
	}
	err := n.server.close(ctx)
	n.net.close()
	return err
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
