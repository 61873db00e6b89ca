package s3store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// mortal is a keyring whose keys can be destroyed: a *keyring.Keyring.
type mortal interface {
	Destroy(ctx context.Context, name string) (keyring.Destruction, error)
	DestroyVersion(ctx context.Context, id envelope.KeyID) (keyring.Destruction, error)
	Follow(keyring.Follower)
	Reload(ctx context.Context) error
	Tombstones() ([]envelope.KeyID, []time.Time)
}

// Destroy destroys a key of the store's keyring, for good: every object all of whose
// keys are destroyed is unreadable, on every node, and in S3 in all of its versions.
// In this order:
//
//   - the keyring's document loses the key, and this process's memory;
//   - this node's cache loses the secret without which the entries of the key's objects
//     cannot be read, in memory or on disk, and open Files of them end;
//   - older documents of the keyring are removed, where its storage keeps some
//     ([KeyringObject] does, in a bucket that keeps versions);
//   - the other nodes do the first two, and acknowledge it (see [Shredder]).
//
// With an error the key is there as before, unless it is the keyring's storage that
// failed: then it is not known, and destroying again tells. Without one the key is
// destroyed, and Destruction.Unreached names what could not be reached and may still
// have something of it: a node that is down or cut off, an older document. Destroying
// again tries again. A node that was down destroys what it has cached when [New] is
// called there; one that was cut off, as soon as its keyring is read again.
//
// An entry of a cache belongs to the key that opened the object when it was cached. A
// node that was down or cut off while the object was re-wrapped to another key has it
// under the former one: to destroy the other does not reach that, and nobody can tell.
// It is dropped by the first who asks for it, and served to nobody unless
// [Options.StaleIfUnavailable] allows that while S3 is away. To have it gone at once,
// destroy the former key as well, or empty the cache of such a node
// (diskcache.Cache.DropAll).
//
// What nobody can take back is what has been handed out: an [Object] in the memory of
// whoever asked for it, a File of data that was in memory already. For old images of
// disks, see package diskcache; for backups of the keyring, package keyring.
//
// The keyring must be a *keyring.Keyring; [ErrInvalid] otherwise. Other errors are the
// keyring's, envelope.ErrKeyUnknown among them, and [ErrClosed].
func (s *Store) Destroy(ctx context.Context, name string) (keyring.Destruction, error) {
	return s.destroy(ctx, name, func(ctx context.Context, k mortal) (keyring.Destruction, error) {
		return k.Destroy(ctx, name)
	})
}

// DestroyVersion is [Store.Destroy] for one version of a key, such as an old one that
// nothing is sealed under any more: see [Store.Rewrap] and [Info.KeyID]. The newest is
// refused. What the cache has of objects under other versions stays.
func (s *Store) DestroyVersion(ctx context.Context, id envelope.KeyID) (keyring.Destruction, error) {
	return s.destroy(ctx, id.Name, func(ctx context.Context, k mortal) (keyring.Destruction, error) {
		return k.DestroyVersion(ctx, id)
	})
}

func (s *Store) destroy(ctx context.Context, name string, f func(context.Context, mortal) (keyring.Destruction, error)) (keyring.Destruction, error) {
	ctx, release, err := s.work(ctx)
	if err != nil {
		return keyring.Destruction{}, failure("destroy", name, err)
	}
	defer release()
	k, ok := s.keyring.(mortal)
	if !ok {
		return keyring.Destruction{}, failure("destroy", name, fmt.Errorf("%w: the store's keyring cannot destroy keys; use a *keyring.Keyring", ErrInvalid))
	}
	d, err := f(ctx, k)
	if err != nil {
		return keyring.Destruction{}, failure("destroy", name, err)
	}
	d.Unreached = append(d.Unreached, s.tellPeers(ctx, d.Destroyed)...)
	return d, nil
}

// tellPeers returns an error for each that may still have something.
func (s *Store) tellPeers(ctx context.Context, destroyed []envelope.KeyID) []error {
	if s.options.alone {
		return nil
	}
	p, ok := s.peers.(Shredder)
	if !ok {
		return []error{errors.New("s3store: the other nodes cannot be told: Options.Coherence has no method Shred")}
	}
	err := p.Shred(ctx, groupsOf(destroyed))
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return all.Unwrap()
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

func groupsOf(ids []envelope.KeyID) (groups []string) {
	for _, id := range ids {
		groups = append(groups, groupOf(id))
	}
	return groups
}

// follow has what is destroyed here or elsewhere, now or before this process began,
// leave the cache.
func (s *Store) follow(k mortal) {
	// A keyring keeps its followers for as long as it lives, so this one is not the
	// store itself, which holds a cache.
	s.follower = &follower{}
	s.follower.store.Store(s)
	k.Follow(s.follower.forget)
	stones, _ := k.Tombstones()
	if err := s.forget(s.ctx, stones); err != nil { // the keyring asks again when it is read next
		s.log.Warn("s3store: entries of destroyed keys may be left in the cache's folder", "error", err)
	}
}

// follower is what the keyring keeps of a store.
type follower struct{ store atomic.Pointer[Store] }

func (f *follower) forget(ctx context.Context, destroyed []envelope.KeyID) error {
	if s := f.store.Load(); s != nil {
		return s.forget(ctx, destroyed)
	}
	return nil
}

// forget is what the keyring's follower does: everything that this node has of the keys goes. A
// store or cache that is closed has nothing to serve; what is in its folder goes when
// a store is made over it again.
func (s *Store) forget(ctx context.Context, destroyed []envelope.KeyID) error {
	if s.closed.Load() || len(destroyed) == 0 {
		return nil
	}
	s.files.end(destroyed)
	if s.cache == nil {
		return nil
	}
	var errs []error
	for _, id := range destroyed {
		if err := s.cache.ShredGroup(ctx, groupOf(id)); err != nil && !errors.Is(err, diskcache.ErrClosed) {
			errs = append(errs, fmt.Errorf("s3store: key %v: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// Shred is for the store's [Coherence]: a peer has destroyed keys, as [Store.Destroy]
// tells it. The keyring is read again, which wipes them here too, and what this node
// has of them goes. Without an error all of that has happened.
func (s *Store) Shred(ctx context.Context, keys []string) error {
	ctx, release, err := s.work(ctx)
	if err != nil {
		return failure("shred", "", err)
	}
	defer release()
	k, ok := s.keyring.(mortal)
	if !ok {
		return failure("shred", "", fmt.Errorf("%w: the store's keyring cannot destroy keys; use a *keyring.Keyring", ErrInvalid))
	}
	if err := k.Reload(ctx); err != nil {
		return failure("shred", "", err)
	}
	// Not on the peer's word: a node that reads another document, or an older copy of
	// it, goes on opening what the peer believes to be gone.
	buried, _ := k.Tombstones()
	buried = slices.DeleteFunc(buried, func(id envelope.KeyID) bool { return !slices.Contains(keys, groupOf(id)) })
	if len(buried) < len(keys) {
		return failure("shred", "", fmt.Errorf("%w: a key is not destroyed in the keyring that this node reads", ErrInvalid))
	}
	return failure("shred", "", s.forget(ctx, buried))
}
