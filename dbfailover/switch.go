package dbfailover

import (
	"context"
	"fmt"
	"time"
)

// Switch makes to the active server, at once: connections to the other one are
// cut with whatever runs on them. The server must pass a check that begins after
// the call; otherwise, or when ctx ends first, nothing changes and the error says
// why. Switching to the server in use is no error.
func (c *Connector) Switch(ctx context.Context, to Role) error {
	if to > Secondary {
		return fmt.Errorf("dbfailover: switch to %v: there are only Primary and Secondary", to)
	}
	if c.life.Err() != nil {
		return ErrClosed
	}
	bound, release := bind(ctx, c.life)
	defer release()
	if err := c.recheck(bound, to, 0); err != nil {
		if c.life.Err() != nil {
			return ErrClosed
		}
		return err
	}
	return c.obey(to)
}

func (c *Connector) obey(to Role) error {
	defer c.flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	changes, ok := c.machine.order(to, time.Now())
	if !ok {
		h := c.machine.servers[to]
		return fmt.Errorf("dbfailover: switch to %v refused: its last check says %v (%s)", to, h.health, h.reason)
	}
	c.apply(changes)
	return nil
}
