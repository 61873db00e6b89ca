package keyring

import (
	"context"
	"errors"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/expand"
)

// Latest implements [envelope.Keyring]. A name that was destroyed is
// [envelope.ErrKeyDestroyed]. What is known here is answered from memory: a
// version that another process added seals here after the next reading.
func (k *Keyring) Latest(ctx context.Context, name string) (id envelope.KeyID, err error) {
	err = k.ask(ctx, name, func() (err error) {
		id, err = k.latest(name)
		return err
	})
	return id, err
}

func (k *Keyring) latest(name string) (envelope.KeyID, error) {
	s := k.current()
	if s == nil {
		return envelope.KeyID{}, ErrClosed
	}
	switch e, ok := s.doc.newest(name); {
	case !ok:
		return envelope.KeyID{}, envelope.ErrKeyUnknown
	case e.destroyed():
		return envelope.KeyID{}, envelope.ErrKeyDestroyed
	default:
		return e.id(), nil
	}
}

// Derive implements [envelope.Keyring]. A version that was destroyed is
// [envelope.ErrKeyDestroyed]. With a [Remote] it waits for the service when the
// key is not in memory, and otherwise not.
func (k *Keyring) Derive(ctx context.Context, id envelope.KeyID, info []byte) (out [envelope.DerivedKeySize]byte, err error) {
	err = k.ask(ctx, id.Name, func() (err error) {
		out, err = k.derive(id, info)
		// A key can end between its unwrapping and its use.
		for errors.Is(err, errAsleep) {
			if err = k.await(ctx, id); err == nil {
				out, err = k.derive(id, info)
			}
		}
		return err
	})
	return out, err
}

func (k *Keyring) derive(id envelope.KeyID, info []byte) ([envelope.DerivedKeySize]byte, error) {
	out, renewable, err := k.deriveHeld(id, info)
	if renewable {
		k.renew(id)
	}
	return out, err
}

// deriveHeld works under the lock, so that nobody can wipe a key that is being
// used: what was derived from zeros would seal for everybody.
func (k *Keyring) deriveHeld(id envelope.KeyID, info []byte) (out [envelope.DerivedKeySize]byte, renewable bool, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.state == nil {
		return out, false, ErrClosed
	}
	h, now := k.keys[id], time.Now()
	if !h.usable(now) {
		return out, false, k.state.absence(id)
	}
	expand.New(h.key()).Into(out[:], info)
	return out, k.renewable(id, now), nil
}
