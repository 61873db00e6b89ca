package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// answer is what came of an unwrapping.
type answer struct {
	held  *held
	began time.Time // when the document was read that held comes from
	// refused says that the service was reached and said no: an error of the
	// storage, whatever it is, says nothing about the key.
	refused bool
}

// unwrap asks the service, out of a document just read: after a destruction
// elsewhere the old document would still give the key.
func (k *Keyring) unwrap(ctx context.Context, id envelope.KeyID) (answer, error) {
	if err := k.readLately(ctx); err != nil {
		return answer{}, fmt.Errorf("keyring: before unwrapping %v: %w", id, err)
	}
	s := k.current()
	if s == nil {
		return answer{}, ErrClosed
	}
	e, ok := s.doc.find(id)
	if !ok || e.destroyed() {
		return answer{}, envelope.ErrKeyDestroyed
	}
	key, err := unwrapKey(ctx, k.protector, e)
	if err != nil {
		return answer{refused: errors.Is(err, ErrProtector) || errors.Is(err, ErrDenied)}, err
	}
	return answer{held: &held{key: hide(key), wrapped: e.Wrapped}, began: s.began}, nil
}

// unwrapKey holds a protector to the size that it owes: HKDF would take any.
func unwrapKey(ctx context.Context, p Protector, e keyEntry) ([]byte, error) {
	key, err := p.Unwrap(ctx, e.id(), e.Wrapped)
	if err == nil && len(key) != KeySize {
		clear(key)
		err = fmt.Errorf("%w: not a key of %d bytes", ErrProtector, KeySize)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: unwrapping %v: %w", e.id(), err)
	}
	return key, nil
}

// finish publishes what came of u.
func (k *Keyring) finish(id envelope.KeyID, u *unwrapping, a answer, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.unwrappings, id)
	if err == nil {
		err = k.settle(id, u, a)
	}
	switch {
	case err == nil:
		delete(k.pauses, id)
	case k.state == nil:
		err = ErrClosed
	case errors.Is(err, envelope.ErrKeyDestroyed), errors.Is(err, errAbandoned):
	case u.abandoned && !a.refused:
		err = errAbandoned
	default:
		k.fail(id, err, a.refused)
	}
	u.err = err
	close(u.done)
}

// settle gives those who wait what they want of the answer, unless keyring or key
// ended in the meantime. Its caller holds mu.
func (k *Keyring) settle(id envelope.KeyID, u *unwrapping, a answer) error {
	if err := k.stillAsked(id, a.held); err != nil {
		a.held.key.wipe()
		return err
	}
	if u.lend && u.waiters > 0 {
		u.lent = hide(bytes.Clone(a.held.key()))
	}
	if u.keep {
		return k.hold(id, a.held, a.began)
	}
	a.held.key.wipe()
	return nil
}

// stillAsked says whether h is an answer to what the document says by now. Where it
// came under another secret meanwhile, or has another key, it is asked again.
func (k *Keyring) stillAsked(id envelope.KeyID, h *held) error {
	if k.state == nil {
		return ErrClosed
	}
	switch e, ok := k.state.doc.find(id); {
	case !ok || e.destroyed():
		return envelope.ErrKeyDestroyed
	case !bytes.Equal(e.Wrapped, h.wrapped):
		return errAbandoned
	case k.mistaken(id, h):
		return fmt.Errorf("%w: %v is another key", ErrRolledBack, id)
	default:
		return nil
	}
}
