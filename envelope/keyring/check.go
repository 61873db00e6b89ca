package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"

	"github.com/hipaakit/hipaakit/envelope"
)

// checkID is what a document's check value is wrapped as. No key can have it, as
// versions begin with 1.
var checkID = envelope.KeyID{Name: "check", Version: 0}

// newCheck wraps 32 random bytes that nobody uses. They tell a wrong protector
// from the right one where no key is left to tell it by: in a document of
// tombstones alone any passphrase would do, and the next rotation would write
// under that.
func newCheck(ctx context.Context, p Protector) ([]byte, error) {
	value := make([]byte, KeySize)
	rand.Read(value)
	defer clear(value)
	wrapped, err := p.Wrap(ctx, checkID, value)
	if err != nil {
		return nil, fmt.Errorf("keyring: wrapping the check value: %w", err)
	}
	return wrapped, nil
}

// testCheck is nil if p is what the document's check value was wrapped with.
func (d document) testCheck(ctx context.Context, p Protector) error {
	value, err := p.Unwrap(ctx, checkID, d.Check)
	if err != nil {
		return fmt.Errorf("keyring: unwrapping the check value: %w", err)
	}
	clear(value)
	return nil
}

// prove holds the protector against the document before it is changed. Keys known
// already are not unwrapped when it is read, so that it may have come under
// another secret unnoticed: then a version more would leave a document that
// neither secret opens. A service is not asked where a key's wrapped bytes are
// those that it has unwrapped.
func (k *Keyring) prove(ctx context.Context, d document) error {
	if k.remote != nil && k.holdsOneOf(d) {
		return nil
	}
	err := d.testCheck(ctx, k.protector)
	if last, ok := d.lastAlive(); err == nil && ok && k.remote == nil {
		var key []byte
		key, err = unwrapKey(ctx, k.protector, last)
		clear(key)
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	return nil
}

func (k *Keyring) holdsOneOf(d document) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for id, h := range k.keys {
		if e, ok := d.find(id); ok && bytes.Equal(e.Wrapped, h.wrapped) {
			return true
		}
	}
	return false
}

func (d document) lastAlive() (keyEntry, bool) {
	for i := len(d.Keys) - 1; i >= 0; i-- {
		if !d.Keys[i].destroyed() {
			return d.Keys[i], true
		}
	}
	return keyEntry{}, false
}

// specimen is the key that proves the protector of a keyring just opened: the one
// that will be needed first.
func (d document) specimen() (keyEntry, bool) {
	if e, ok := d.newest(envelope.DefaultKey); ok && !e.destroyed() {
		return e, true
	}
	return d.lastAlive()
}
