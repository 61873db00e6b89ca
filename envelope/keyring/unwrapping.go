package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// What an unwrapping is given, beside the contexts of those who wait for it:
// for a service that keeps silent when nobody does.
const (
	storageTime = 10 * time.Second // for the reading of the document
	callTime    = 20 * time.Second // for the call, if the Remote does not say
)

// timed is a [Remote] that says how long a call may take.
type timed interface{ Timeout() time.Duration }

func patienceWith(r Remote) time.Duration {
	call := callTime
	if t, ok := r.(timed); ok && t.Timeout() > 0 {
		call = t.Timeout()
	}
	return max(call, call+storageTime) // the sum can overflow
}

var (
	// errAsleep says that a key is in the document, but not in memory.
	errAsleep = errors.New("keyring: key is not in memory")
	// errAbandoned ends an unwrapping for which nobody waited any more.
	// Or what came was not the answer any more: the document changed meanwhile.
	errAbandoned = errors.New("keyring: nobody waited")
	errNoAnswer  = errors.New("keyring: the storage or the protector's service did not answer in time")
)

// unwrapping is one question to a Remote, for all who wait for the key. It runs
// in a goroutine of the keyring's own, so that no caller's end is the end of the
// others. Its fields belong to the keyring's mu, err to whoever saw done closed.
type unwrapping struct {
	done    chan struct{}
	err     error
	cancel  context.CancelFunc
	waiters int
	// abandoned is one that everybody has left. It stays until it has ended, as
	// it may succeed yet; who comes meanwhile waits for that, so that never two
	// ask for the same key.
	abandoned bool
	// keep says that the key goes into memory, lend that somebody wants a copy,
	// which is lent until the last of the waiters has left.
	keep, lend bool
	lent       unseen
}

// await returns when the key is in memory or cannot be had.
func (k *Keyring) await(ctx context.Context, id envelope.KeyID) error {
	for ctx.Err() == nil {
		u, err := k.join(id, false)
		if u == nil {
			return err
		}
		err = k.wait(ctx, u)
		k.leave(u)
		if !errors.Is(err, errAbandoned) {
			return err
		}
	}
	return ctx.Err()
}

func (k *Keyring) wait(ctx context.Context, u *unwrapping) error {
	select {
	case <-u.done:
		return u.err
	case <-ctx.Done():
		return ctx.Err()
	case <-k.life.Done():
		return ErrClosed
	}
}

// join returns the unwrapping to wait for; none if the key is there by now, or
// if it failed a moment ago. Who borrows wants a copy, and the others want the key
// in memory.
func (k *Keyring) join(id envelope.KeyID, borrows bool) (*unwrapping, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	u := k.unwrappings[id]
	switch {
	case k.state == nil:
		return nil, ErrClosed
	case k.keys[id].usable(now):
		return nil, nil
	case u != nil:
	case k.pauses[id].lasts(now):
		return nil, k.pauses[id].err
	default:
		u = k.begin(id)
	}
	u.waiters++
	u.keep, u.lend = u.keep || !borrows, u.lend || borrows
	return u, nil
}

func (k *Keyring) leave(u *unwrapping) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if u.waiters--; u.waiters == 0 {
		u.abandoned = true
		u.cancel()
		u.lent.wipe()
	}
}

// renew asks again for a key whose lifetime is over, while the old one is used.
// Nobody waits for that, and nobody's leaving ends it.
func (k *Keyring) renew(id envelope.KeyID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != nil && k.renewable(id, time.Now()) {
		k.begin(id).keep = true
	}
}

// renewable needs mu.
func (k *Keyring) renewable(id envelope.KeyID, now time.Time) bool {
	h := k.keys[id]
	return h.usable(now) && h.stale(now) && k.unwrappings[id] == nil && !k.pauses[id].lasts(now)
}

// begin needs mu.
func (k *Keyring) begin(id envelope.KeyID) *unwrapping {
	ctx, cancel := context.WithTimeout(k.life, k.patience)
	u := &unwrapping{done: make(chan struct{}), cancel: cancel}
	k.unwrappings[id] = u
	k.work.Go(func() {
		defer cancel()
		var a answer
		err := sheltered(func() (err error) {
			a, err = k.unwrap(ctx, id)
			return err
		})
		if err != nil && !a.refused && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %v", errNoAnswer, k.patience) // the deadline was none of the caller's
		}
		k.finish(id, u, a, err)
	})
	return u
}
