package keyring

import (
	"bytes"
	"context"
	"errors"

	"github.com/hipaakit/hipaakit/envelope"
)

// borrow returns a copy of a key of a Remote, which its caller owns and wipes. It
// shares the call with whoever derives, and does not leave in memory what nobody
// else wants there.
func (k *Keyring) borrow(ctx context.Context, id envelope.KeyID) ([]byte, error) {
	for ctx.Err() == nil {
		if key, err := k.copyHeld(id); key != nil || err != nil {
			return key, err
		}
		u, err := k.join(id, true)
		if err != nil {
			return nil, err
		}
		if u == nil { // it is in memory by now
			continue
		}
		key, err := k.waitForCopy(ctx, u)
		if !errors.Is(err, errAbandoned) {
			return key, err
		}
	}
	return nil, ctx.Err()
}

func (k *Keyring) waitForCopy(ctx context.Context, u *unwrapping) ([]byte, error) {
	defer k.leave(u)
	if err := k.wait(ctx, u); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return bytes.Clone(u.lent()), nil
}
