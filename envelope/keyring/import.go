package keyring

import (
	"context"
	"crypto/subtle"
	"fmt"
)

// Import adds the keys and tombstones of an exported document, which is under
// from, and keeps what is here. All or nothing is imported:
//
//   - A key that is here and there must be the same key. Otherwise [ErrConflict]:
//     what one of them sealed would never open again.
//   - A key that is destroyed here stays destroyed: backups made before a
//     destruction hold the key, and must still be good for the others. But a newer
//     version of a name destroyed here is [ErrConflict]: the two went apart, and
//     neither leaving out nor bringing back is what was meant.
//   - A key that is alive here and destroyed there is [ErrConflict]: reading a file
//     must not be what destroys a key. Call [Keyring.Destroy], then import again.
//   - A tombstone of what is not here is added, so that its name stays unused.
//
// [ErrChanged] is Rotate's. Errors also are [ErrDocument], [ErrProtector] for
// either protector, and what the storage or protectors answered.
func (k *Keyring) Import(ctx context.Context, doc []byte, from Protector) error {
	more, err := openExport(ctx, doc, from)
	if err != nil {
		return err
	}
	s, err := k.readNow(ctx)
	if err != nil {
		return err
	}
	add, err := s.doc.missing(more)
	if err != nil {
		return err
	}
	if err := k.sameKeys(ctx, s.doc, more, openerOf(from)); err != nil || len(add) == 0 {
		return err
	}
	return k.take(ctx, s, add, openerOf(from))
}

func (k *Keyring) readNow(ctx context.Context) (*state, error) {
	release, err := k.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := k.readAndTell(ctx); err != nil {
		return nil, err
	}
	if s := k.current(); s != nil {
		return s, nil
	}
	return nil, ErrClosed
}

// missing returns the entries of more that shall be added to d, without having
// looked at a key.
func (d document) missing(more document) (add []keyEntry, err error) {
	for _, e := range more.Keys {
		here, ok := d.find(e.id())
		if ok && e.destroyed() && !here.destroyed() {
			return nil, fmt.Errorf("%w: %v is destroyed in the document to import, and not here; destroy it first", ErrConflict, e.id())
		}
		if !ok {
			add = append(add, e)
		}
	}
	if name, ok := d.with(add...).halfDestroyed(); ok {
		return nil, fmt.Errorf("%w: %q would be destroyed in its newest version, but not in all", ErrConflict, name)
	}
	for _, e := range add {
		if newest, ok := d.newest(e.Name); ok && newest.destroyed() && !e.destroyed() {
			return nil, fmt.Errorf("%w: %q is destroyed here, and the document to import has %v", ErrConflict, e.Name, e.id())
		}
	}
	return add, nil
}

// sameKeys compares what is alive on both sides.
func (k *Keyring) sameKeys(ctx context.Context, here, there document, open opener) error {
	for _, e := range there.Keys {
		own, ok := here.find(e.id())
		if !ok || own.destroyed() {
			continue
		}
		same, err := k.sameKey(ctx, own, e, open)
		if err != nil {
			return err
		}
		if !same {
			return fmt.Errorf("%w: %v is another key here", ErrConflict, e.id())
		}
	}
	return nil
}

func (k *Keyring) sameKey(ctx context.Context, own, other keyEntry, open opener) (bool, error) {
	a, err := k.plain(ctx, own)
	if err != nil {
		return false, err
	}
	defer clear(a)
	b, err := open(ctx, other)
	if err != nil {
		return false, err
	}
	defer clear(b)
	return subtle.ConstantTimeCompare(a, b) == 1, nil
}

// take wraps what is new and saves it. The wrapping, a call to a service for each
// key, is done before the turn is taken, which others wait for.
func (k *Keyring) take(ctx context.Context, s *state, add []keyEntry, open opener) error {
	next, fresh, err := k.adoptAll(ctx, s.doc, add, open)
	if err != nil {
		return err
	}
	release, err := k.acquire(ctx)
	if err != nil {
		fresh.wipe()
		return err
	}
	defer release()
	err = k.prove(ctx, s.doc)
	// What was read in the meantime must not be forgotten, even if an older
	// document came back, which is the one that was read first.
	if now := k.current(); err == nil && now != nil && now.revision != s.revision {
		err = ErrChanged
	}
	if err != nil {
		fresh.wipe()
		return err
	}
	return k.save(ctx, s, next, fresh)
}

// adoptAll returns d with what is to be added, and a check value under the same key
// of a service as that.
func (k *Keyring) adoptAll(ctx context.Context, d document, add []keyEntry, open opener) (document, keyBatch, error) {
	if k.remote == nil {
		// The same passphrase may be what opens the imported document, under its own
		// salt. It has to wrap under ours.
		if err := d.testCheck(ctx, k.protector); err != nil {
			return d, nil, err
		}
	}
	fresh := keyBatch{}
	for i, e := range add {
		if e.destroyed() {
			continue
		}
		h, err := k.adopt(ctx, e, open)
		if err != nil {
			fresh.wipe()
			return d, nil, err
		}
		add[i].Wrapped = h.wrapped
		if h.key != nil {
			fresh[e.id()] = h
		}
	}
	d = d.with(add...)
	var err error
	if d.Check, err = newCheck(ctx, k.protector); err != nil {
		fresh.wipe()
		return d, nil, err
	}
	return d, fresh, nil
}

// adopt wraps a key for this keyring. With a Remote the key itself is not kept: it
// is unwrapped when somebody needs it.
func (k *Keyring) adopt(ctx context.Context, e keyEntry, open opener) (*held, error) {
	key, err := open(ctx, e)
	if err != nil {
		return nil, err
	}
	if e, err = e.wrap(ctx, k.protector, key); err != nil || k.remote != nil {
		clear(key)
		return &held{wrapped: e.Wrapped}, err
	}
	return &held{key: hide(key), wrapped: e.Wrapped}, nil
}
