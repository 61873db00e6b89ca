package diskcache

import (
	"context"
	"time"
)

// gate is a lock that somebody who waits can give up on. A device that stalls
// stops whoever is writing to it with the lock in hand; the others must not be
// stopped with him.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) lock() { g <- struct{}{} }

func (g gate) lockContext(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) unlock() { <-g }

// try does not wait.
func (g gate) try() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

// tryLock waits for as long as a device may take before it counts as stalled.
func (g gate) tryLock() bool {
	if g.try() {
		return true
	}
	t := time.NewTimer(stallTime)
	defer t.Stop()
	select {
	case g <- struct{}{}:
		return true
	case <-t.C:
		return false
	}
}
