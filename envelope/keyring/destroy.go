package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// Destruction says what a Destroy has come to.
type Destruction struct {
	// Destroyed are the versions that are destroyed now, those included that were
	// before.
	Destroyed []envelope.KeyID
	// Unreached is what may still hold something of them: an error for each
	// follower that failed, and one for old versions of the document. Destroying
	// again tries again.
	Unreached []error
}

// Err is nil if everything was reached, and one error of Unreached otherwise.
func (d Destruction) Err() error {
	if len(d.Unreached) == 0 {
		return nil
	}
	return fmt.Errorf("keyring: destroyed, but not everything was reached: %w", errors.Join(d.Unreached...))
}

// Destroy destroys every version of the named key, for good: no envelope opens
// again all of whose slots are under it. The name is never used again, and
// Latest, Derive and Rotate answer [envelope.ErrKeyDestroyed].
//
// In this order: the document is saved without the wrapped key and with a
// tombstone in its place; the key is wiped from memory; followers are called (see
// [Keyring.Follow]); old versions of the document are removed, where the storage
// is a [History]. With an error nothing of that has happened, except that after an
// error of the storage the document may have been saved; [ErrChanged] is
// Rotate's. Without an error the key is destroyed, and Unreached says what else
// could not be had. Destroying again what is destroyed already repeats all but the
// saving. A name that is not in the document, just read, is
// [envelope.ErrKeyUnknown].
//
// What that is worth: when it has returned, neither the stored document nor this
// keyring can give the key. Other processes keep it until they read the document
// again: with a [Remote] for Lifetime and Grace at most, with a local protector
// until [Keyring.Reload], or until they look for a key that they do not know.
// Have a follower tell them. Memory that was swapped or dumped, or that Derive's HMAC
// has left for the garbage collector, disk blocks that a file system has given free,
// and backups are out of reach; and against somebody
// who holds both an old copy of the document and the protector's secret nothing
// helps.
func (k *Keyring) Destroy(ctx context.Context, name string) (Destruction, error) {
	return k.destroy(ctx, func(d document) (ids []envelope.KeyID, err error) {
		for _, e := range d.named(name) {
			ids = append(ids, e.id())
		}
		if len(ids) == 0 {
			return nil, envelope.ErrKeyUnknown
		}
		return ids, nil
	})
}

// DestroyVersion is [Keyring.Destroy] for one version, such as an old one that
// nothing is sealed under any more. The newest one is refused with [ErrInvalid]:
// rotate first.
func (k *Keyring) DestroyVersion(ctx context.Context, id envelope.KeyID) (Destruction, error) {
	return k.destroy(ctx, func(d document) ([]envelope.KeyID, error) {
		e, ok := d.find(id)
		if !ok {
			return nil, envelope.ErrKeyUnknown
		}
		if newest, _ := d.newest(id.Name); newest.id() == id && !e.destroyed() {
			return nil, fmt.Errorf("%w: %v is the newest version; rotate before it is destroyed, or destroy the whole key", ErrInvalid, id)
		}
		return []envelope.KeyID{id}, nil
	})
}

func (k *Keyring) destroy(ctx context.Context, which func(document) ([]envelope.KeyID, error)) (Destruction, error) {
	ids, err := k.bury(ctx, which)
	if err != nil {
		k.tellSoon() // of what the reading has shown
		return Destruction{}, err
	}
	d := Destruction{Destroyed: ids, Unreached: k.tell(ctx, ids)}
	if err := k.removeOld(ctx); err != nil {
		d.Unreached = append(d.Unreached, fmt.Errorf("keyring: old versions of the document: %w", err))
	}
	return d, nil
}

// bury puts tombstones into the document and wipes the keys.
func (k *Keyring) bury(ctx context.Context, which func(document) ([]envelope.KeyID, error)) ([]envelope.KeyID, error) {
	release, err := k.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := k.read(ctx); err != nil {
		return nil, err
	}
	s := k.current()
	if s == nil {
		return nil, ErrClosed
	}
	ids, err := which(s.doc)
	if err != nil || s.doc.allDestroyed(ids) {
		return ids, err
	}
	if err := k.prove(ctx, s.doc); err != nil {
		return nil, err
	}
	next, err := k.store(ctx, s, s.doc.bury(ids, time.Now()))
	if err != nil {
		return nil, err
	}
	// Where it was closed meanwhile, Close has wiped them. The rest can be done.
	_ = k.installOwn(next, nil)
	return ids, nil
}

func (d document) allDestroyed(ids []envelope.KeyID) bool {
	for _, id := range ids {
		if e, _ := d.find(id); !e.destroyed() {
			return false
		}
	}
	return true
}

func (k *Keyring) removeOld(ctx context.Context) error {
	h, ok := k.storage.(History)
	if !ok {
		return nil
	}
	return sheltered(func() error { return h.RemoveOld(ctx) })
}
