package dbfailover

import (
	"fmt"
	"time"
)

// Ready is what a load balancer's health check should ask: nil while new connections
// are let through. Otherwise it is [ErrVetoed], if other web nodes still reach the
// server that this one lost, so that only this node is taken out; [ErrFrozen];
// [ErrClosed]; or [ErrDown]. It asks no server.
func (c *Connector) Ready() error {
	if c.life.Err() != nil {
		return ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.decider.stands()
	switch {
	case m.state.serving():
		return nil
	case c.replicated != nil && c.replicated.pair.vetoed(time.Now()):
		return fmt.Errorf("%w (%s)", ErrVetoed, m.reason)
	case m.state == StateFrozen:
		return fmt.Errorf("%w (%s)", ErrFrozen, m.reason)
	}
	return fmt.Errorf("%w: %v (%s)", ErrDown, m.state, m.reason)
}
