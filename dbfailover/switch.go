package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// SwitchOption changes what a Switch may do.
type SwitchOption uint8

// Force makes the server the writer although the rules forbid it: the other one may be
// out of reach and still in use by web nodes that reach it, this one may lack rows that
// were acknowledged, or hold rows that never replicated. Only a human can know.
// It changes nothing for independent servers.
const Force SwitchOption = 1

// Switch makes to the active server.
//
// Replicated: the old server is locked, its threads end, the new one catches up and
// opens in a new epoch, for all web nodes; every acknowledged row is on both. If that
// does not work out in time, the old one is opened again and the error says why.
//
// Independent: at once; connections to the other one are cut with whatever runs on
// them.
//
// The server must pass a check that begins after the call; otherwise nothing changes.
// Switching to the server in use is no error.
func (c *Connector) Switch(ctx context.Context, to Role, options ...SwitchOption) error {
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
	if c.replicated != nil {
		return c.move(bound, to, slices.Contains(options, Force))
	}
	return c.obey(to)
}

// tries is how often an order is repeated: a task of the hand voids what the checks
// have seen, and may be done just before.
const tries = 3

// move hands the wish to the hand and waits for what becomes of it.
func (c *Connector) move(ctx context.Context, to Role, force bool) error {
	var t *task
	var err error
	for range tries {
		// What is known of the other one matters as well, if it answers.
		if waitErr := c.recheck(ctx, to.other(), 0); waitErr != nil && ctx.Err() != nil {
			return waitErr
		}
		c.mu.Lock()
		t, err = c.replicated.pair.order(to, force, time.Now())
		c.apply(nil) // wakes the hand
		c.mu.Unlock()
		if err == nil {
			break
		}
		if waitErr := c.recheck(ctx, to, 0); waitErr != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("dbfailover: switch to %v refused: %w", to, err)
	}
	if t == nil {
		return nil
	}
	select {
	case err := <-t.answer:
		return err
	case <-ctx.Done():
		if c.life.Err() != nil {
			return ErrClosed
		}
		return fmt.Errorf("dbfailover: switch to %v has begun and its outcome is open: %w", to, ctx.Err())
	}
}

func (c *Connector) obey(to Role) error {
	defer c.flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	m, independent := c.decider.(*machine)
	if !independent {
		return errors.New("dbfailover: not for replicated servers")
	}
	changes, ok := m.order(to, time.Now())
	if !ok {
		h := m.servers[to]
		return fmt.Errorf("dbfailover: switch to %v refused: its last check says %v (%s)", to, h.health, h.reason)
	}
	c.apply(changes)
	return nil
}
