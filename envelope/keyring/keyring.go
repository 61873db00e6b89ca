package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// Keyring is a document of keys, unwrapped in memory. It implements
// [envelope.Keyring]. Safe for concurrent use.
type Keyring struct {
	storage   Storage
	protector Protector
	// turn lets one caller read or change the document at a time; unlike a mutex
	// it can be waited for with a context.
	turn chan struct{}
	// vain is when a reading for an unknown key last found nothing new. It
	// belongs to whoever has the turn.
	vain time.Time

	mu    sync.RWMutex
	state *state // nil once closed
	reads uint64 // completed readings of the document
}

// state is one reading of the document; it never changes.
type state struct {
	doc      document
	revision string
	keys     map[envelope.KeyID][]byte
}

// Create makes a keyring with one key, [envelope.DefaultKey] in version 1, and
// returns it opened. Where one exists already it answers [ErrExists] and leaves
// that one alone.
func Create(ctx context.Context, s Storage, p Protector) (*Keyring, error) {
	doc, err := document{Format: formatName, Version: formatVersion}.add(ctx, p, envelope.DefaultKey)
	if err != nil {
		return nil, err
	}
	b, err := doc.encode()
	if err != nil {
		return nil, err
	}
	if err := s.Save(ctx, b, ""); errors.Is(err, ErrChanged) {
		return nil, ErrExists
	} else if err != nil {
		return nil, err
	}
	return Open(ctx, s, p)
}

// Open reads and unwraps a keyring. Errors are [ErrNotFound], [ErrProtector],
// [ErrPermissions], [ErrDocument], or what the storage or protector answered.
func Open(ctx context.Context, s Storage, p Protector) (*Keyring, error) {
	k := &Keyring{storage: s, protector: p, turn: make(chan struct{}, 1), state: &state{}}
	if err := k.read(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// add returns the document with a new version of the named key.
func (d document) add(ctx context.Context, p Protector, name string) (document, error) {
	if err := checkName(name); err != nil {
		return d, err
	}
	key := make([]byte, KeySize)
	rand.Read(key)
	defer clear(key)
	id := envelope.KeyID{Name: name, Version: d.latest(name) + 1}
	wrapped, err := p.Wrap(ctx, id, key)
	if err != nil {
		return d, fmt.Errorf("keyring: wrapping %v: %w", id, err)
	}
	created := time.Now().UTC().Truncate(time.Second)
	return d.with(wrappedKey{Name: name, Version: id.Version, Created: created, Wrapped: wrapped}), nil
}

// prove holds the protector against a key of the document. Keys known already
// are not unwrapped when the document is read, so that it may have come under
// another secret unnoticed: then a version more would leave a document that
// neither secret opens.
func (d document) prove(ctx context.Context, p Protector) error {
	w := d.Keys[len(d.Keys)-1]
	key, err := p.Unwrap(ctx, w.id(), w.Wrapped)
	if err != nil {
		return fmt.Errorf("keyring: nothing was added; unwrapping %v: %w", w.id(), err)
	}
	clear(key)
	return nil
}

// Rotate adds a version of the named key, or the key's first version, and
// returns it. It seals from now on here, and elsewhere after the next reading of
// the document. [ErrChanged] means that another process changed the document at
// the same moment, [ErrProtector] that the document is by now under another
// secret, [ErrClosed] that the secret was wiped or the keyring closed. With an
// error and a KeyID the version was added but could not be read back.
func (k *Keyring) Rotate(ctx context.Context, name string) (envelope.KeyID, error) {
	release, err := k.acquire(ctx)
	if err != nil {
		return envelope.KeyID{}, err
	}
	defer release()
	// From the document as it is now: a version added elsewhere must not be lost.
	if err := k.read(ctx); err != nil {
		return envelope.KeyID{}, err
	}
	s := k.current()
	if s == nil {
		return envelope.KeyID{}, ErrClosed
	}
	if err := s.doc.prove(ctx, k.protector); err != nil {
		return envelope.KeyID{}, err
	}
	doc, err := s.doc.add(ctx, k.protector, name)
	if err != nil {
		return envelope.KeyID{}, err
	}
	b, err := doc.encode()
	if err != nil {
		return envelope.KeyID{}, err
	}
	if err := k.storage.Save(ctx, b, s.revision); err != nil {
		return envelope.KeyID{}, err
	}
	return envelope.KeyID{Name: name, Version: doc.latest(name)}, k.read(ctx)
}

// Latest implements [envelope.Keyring].
func (k *Keyring) Latest(ctx context.Context, name string) (id envelope.KeyID, err error) {
	err = k.ask(ctx, name, func() (reads uint64, err error) {
		id, reads, err = k.latest(name)
		return reads, err
	})
	return id, err
}

func (k *Keyring) latest(name string) (id envelope.KeyID, reads uint64, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.state == nil {
		return id, k.reads, ErrClosed
	}
	if v := k.state.doc.latest(name); v > 0 {
		return envelope.KeyID{Name: name, Version: v}, k.reads, nil
	}
	return id, k.reads, envelope.ErrKeyUnknown
}

// Derive implements [envelope.Keyring].
func (k *Keyring) Derive(ctx context.Context, id envelope.KeyID, info []byte) (out [envelope.DerivedKeySize]byte, err error) {
	err = k.ask(ctx, id.Name, func() (reads uint64, err error) {
		out, reads, err = k.derive(id, info)
		return reads, err
	})
	return out, err
}

// derive also says how many readings of the document it knew of. It works under
// the lock, so that Close cannot wipe a key that is being used: what was derived
// from zeros would seal for everybody.
func (k *Keyring) derive(id envelope.KeyID, info []byte) (out [envelope.DerivedKeySize]byte, reads uint64, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.state == nil {
		return out, k.reads, ErrClosed
	}
	key, ok := k.state.keys[id]
	if !ok {
		return out, k.reads, envelope.ErrKeyUnknown
	}
	derived, err := hkdf.Expand(sha512.New384, key, string(info), len(out))
	copy(out[:], derived)
	clear(derived)
	return out, k.reads, err
}

// Keys lists the versions in the order of the document, with the times at which
// they were made.
func (k *Keyring) Keys() (ids []envelope.KeyID, created []time.Time) {
	s := k.current()
	if s == nil {
		return nil, nil
	}
	for _, w := range s.doc.Keys {
		ids = append(ids, envelope.KeyID{Name: w.Name, Version: w.Version})
		created = append(created, w.Created)
	}
	return ids, created
}

// Close wipes the keys from memory. Later calls answer [ErrClosed].
func (k *Keyring) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != nil {
		for _, key := range k.state.keys {
			clear(key)
		}
	}
	k.state = nil
	return nil
}
