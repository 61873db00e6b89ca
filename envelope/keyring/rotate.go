package keyring

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// Rotate adds a version of the named key, or the key's first version, and
// returns it. It seals from now on here, and elsewhere after the next reading of
// the document. [ErrChanged] means that another process changed the document at
// the same moment, [ErrProtector] that the document is by now under another
// secret, [ErrClosed] that the secret was wiped or the keyring closed. The name of
// a destroyed key is never used again: [envelope.ErrKeyDestroyed].
//
// After any other error of the storage the version may be there all the same;
// nothing was sealed with it.
func (k *Keyring) Rotate(ctx context.Context, name string) (envelope.KeyID, error) {
	if s := k.current(); s != nil {
		if e, _ := s.doc.newest(name); e.destroyed() {
			return envelope.KeyID{}, envelope.ErrKeyDestroyed
		}
	}
	release, err := k.acquire(ctx)
	if err != nil {
		return envelope.KeyID{}, err
	}
	defer release()
	// From the document as it is now: a version added elsewhere must not be lost.
	if err := k.readAndTell(ctx); err != nil {
		return envelope.KeyID{}, err
	}
	s := k.current()
	if s == nil {
		return envelope.KeyID{}, ErrClosed
	}
	if err := k.prove(ctx, s.doc); err != nil {
		return envelope.KeyID{}, err
	}
	return k.add(ctx, s, s.doc, name)
}

// add saves doc, of s, with a new version of the named key, which it holds from
// then on. Its caller holds turn, or is alone.
func (k *Keyring) add(ctx context.Context, s *state, doc document, name string) (envelope.KeyID, error) {
	id, err := doc.next(name)
	if err != nil {
		return envelope.KeyID{}, err
	}
	key, wrapped, err := k.makeKey(ctx, id)
	if err != nil {
		return envelope.KeyID{}, fmt.Errorf("keyring: making %v: %w", id, err)
	}
	fresh := keyBatch{id: {key: hide(key), wrapped: wrapped}}
	doc = doc.with(keyEntry{Name: name, Version: id.Version, Created: time.Now().UTC().Truncate(time.Second), Wrapped: wrapped})
	// By the same key as the version: a former one of a service is not needed any
	// more when the last version goes that it wrapped.
	if doc.Check, err = newCheck(ctx, k.protector); err != nil {
		fresh.wipe()
		return envelope.KeyID{}, err
	}
	if err := k.save(ctx, s, doc, fresh); err != nil {
		return envelope.KeyID{}, err
	}
	return id, nil
}

// next is the version to add. A destroyed version's number is never used again:
// envelopes that ask for it would be opened with another key.
func (d document) next(name string) (envelope.KeyID, error) {
	if err := checkName(name); err != nil {
		return envelope.KeyID{}, err
	}
	e, _ := d.newest(name)
	if e.destroyed() {
		return envelope.KeyID{}, envelope.ErrKeyDestroyed
	}
	if e.Version == math.MaxUint32 {
		return envelope.KeyID{}, fmt.Errorf("%w: no version can follow %v", ErrDocument, e.id())
	}
	return envelope.KeyID{Name: name, Version: e.Version + 1}, nil
}

// makeKey is one call to a service, where there is one.
func (k *Keyring) makeKey(ctx context.Context, id envelope.KeyID) (key, wrapped []byte, err error) {
	if k.remote == nil {
		key = make([]byte, KeySize)
		rand.Read(key)
		wrapped, err = k.protector.Wrap(ctx, id, key)
	} else {
		key, wrapped, err = k.remote.Generate(ctx, id)
	}
	if err == nil && (len(key) != KeySize || len(wrapped) == 0) {
		err = fmt.Errorf("%w: not a wrapped key of %d bytes", ErrProtector, KeySize)
	}
	if err != nil {
		clear(key)
		return nil, nil, err
	}
	return key, wrapped, nil
}
