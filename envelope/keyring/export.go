package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/hipaakit/hipaakit/envelope"
)

// Export returns a document with the named keys (default: all), every version of
// them and the tombstones, wrapped by another protector: a backup to keep offline,
// or the way from a passphrase to a key management service and back. [Restore]
// and [Keyring.Import] take it.
//
// The stored document is read before. Where that is gone, damaged, under another
// secret or an older one, what is in memory is exported, to bring it back; with a
// [Remote] that is the wrapped keys, which are unwrapped one by one. Any other error
// of the storage is returned.
//
// It holds one plaintext key at a time that is not in memory anyway, and shares the
// call to a service with whoever derives under that key just then. An export
// that was made before a destruction still holds the key: destroy those too.
func (k *Keyring) Export(ctx context.Context, to Protector, names ...string) ([]byte, error) {
	if to == nil {
		return nil, fmt.Errorf("%w: no protector to export to", ErrInvalid)
	}
	s, open, err := k.readForExport(ctx)
	if err != nil {
		return nil, err
	}
	doc, err := s.doc.only(names)
	if err != nil {
		return nil, err
	}
	if doc, err = doc.rewrap(ctx, open, to); err != nil {
		return nil, err
	}
	return doc.encode()
}

func (k *Keyring) readForExport(ctx context.Context) (*state, opener, error) {
	release, err := k.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	err = k.readAndTell(ctx)
	lost := errors.Is(err, ErrNotFound) || errors.Is(err, ErrDocument) || errors.Is(err, ErrRolledBack) || errors.Is(err, ErrProtector)
	if err != nil && !lost {
		return nil, nil, err
	}
	s := k.current()
	switch {
	case s == nil:
		return nil, nil, ErrClosed
	case lost:
		return s, k.rescued, nil
	default:
		return s, k.plain, nil
	}
}

// only returns the document with the named keys alone; all if there are no names.
func (d document) only(names []string) (document, error) {
	if len(names) == 0 {
		return d, nil
	}
	some := d
	some.Keys = nil
	for _, name := range names {
		versions := d.named(name)
		if len(versions) == 0 {
			return d, fmt.Errorf("keyring: not every key named to export is there: %w", envelope.ErrKeyUnknown)
		}
		some = some.with(versions...)
	}
	return some, nil
}

// opener returns the plaintext of a key, which its caller owns and wipes.
type opener func(ctx context.Context, e keyEntry) ([]byte, error)

// openerOf unwraps with p.
func openerOf(p Protector) opener {
	return func(ctx context.Context, e keyEntry) ([]byte, error) { return unwrapKey(ctx, p, e) }
}

// plain is the opener of an open keyring. It keeps nothing in memory that was not
// there: an export of ten thousand keys must not leave them all behind.
func (k *Keyring) plain(ctx context.Context, e keyEntry) ([]byte, error) {
	if k.remote != nil {
		return k.borrow(ctx, e.id())
	}
	return k.rescued(ctx, e)
}

// rescued is plain where the stored document is lost, which an unwrapping for
// everybody would read before.
func (k *Keyring) rescued(ctx context.Context, e keyEntry) ([]byte, error) {
	key, err := k.copyHeld(e.id())
	if key != nil || err != nil {
		return key, err
	}
	return unwrapKey(ctx, k.protector, e)
}

func (k *Keyring) copyHeld(id envelope.KeyID) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.state == nil {
		return nil, ErrClosed
	}
	if e, ok := k.state.doc.find(id); ok && e.destroyed() {
		return nil, fmt.Errorf("keyring: %v, just now: %w", id, envelope.ErrKeyDestroyed)
	}
	if h := k.keys[id]; h != nil {
		return bytes.Clone(h.key()), nil
	}
	return nil, nil
}

// rewrap returns the document with a check value and all keys wrapped by to.
func (d document) rewrap(ctx context.Context, open opener, to Protector) (out document, err error) {
	out = document{Format: formatName, Version: formatVersion}
	if out.Check, err = newCheck(ctx, to); err != nil {
		return out, err
	}
	for _, e := range d.Keys {
		if !e.destroyed() {
			if e, err = e.rewrap(ctx, open, to); err != nil {
				return out, err
			}
		}
		out.Keys = append(out.Keys, e)
	}
	return out, nil
}

func (e keyEntry) rewrap(ctx context.Context, open opener, to Protector) (keyEntry, error) {
	key, err := open(ctx, e)
	if err != nil {
		return e, err
	}
	defer clear(key)
	return e.wrap(ctx, to, key)
}

func (e keyEntry) wrap(ctx context.Context, to Protector, key []byte) (keyEntry, error) {
	wrapped, err := to.Wrap(ctx, e.id(), key)
	if err == nil && len(wrapped) == 0 {
		err = ErrProtector
	}
	if err != nil {
		return e, fmt.Errorf("keyring: wrapping %v: %w", e.id(), err)
	}
	e.Wrapped = wrapped
	return e, nil
}
