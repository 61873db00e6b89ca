package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// Keyring is a document of keys, opened. It implements [envelope.Keyring]. Safe
// for concurrent use. With a [Remote] it has timers and goroutines of its own,
// which end with [Keyring.Close].
type Keyring struct {
	storage   Storage
	protector Protector
	remote    Remote // the protector, if it is one
	lifetime  time.Duration
	grace     time.Duration
	patience  time.Duration // bounds one unwrapping

	// readings counts the readings and changes that have begun.
	readings atomic.Uint64
	// turn lets one caller read or change the document at a time; unlike a mutex
	// it can be waited for with a context.
	turn chan struct{}
	// vain is when a reading for an unknown key last found nothing new, lost the
	// last reading that failed. Both belong to whoever has the turn.
	vain time.Time
	lost lostReading

	// life ends with Close, and work counts what goes on until then.
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu          sync.RWMutex
	state       *state // nil once closed
	keys        map[envelope.KeyID]*held
	unwrappings map[envelope.KeyID]*unwrapping
	pauses      map[envelope.KeyID]pause
	known       map[envelope.KeyID]acquaintance

	followers
}

func newKeyring(s Storage, p Protector) (*Keyring, error) {
	if err := checkParts(s, p); err != nil {
		return nil, err
	}
	k := &Keyring{
		storage: s, protector: p, turn: make(chan struct{}, 1), state: &state{},
		keys:        map[envelope.KeyID]*held{},
		unwrappings: map[envelope.KeyID]*unwrapping{},
		pauses:      map[envelope.KeyID]pause{},
		known:       map[envelope.KeyID]acquaintance{},
	}
	if remote, ok := p.(Remote); ok {
		k.remote, k.lifetime, k.grace = remote, remote.Lifetime(), remote.Grace()
		k.patience = patienceWith(remote)
	}
	k.life, k.end = context.WithCancel(context.Background())
	return k, nil
}

func checkParts(s Storage, p Protector) error {
	if s == nil || p == nil {
		return fmt.Errorf("%w: a keyring needs a storage and a protector", ErrInvalid)
	}
	remote, ok := p.(Remote)
	if !ok {
		return nil
	}
	if l, g := remote.Lifetime(), remote.Grace(); l <= 0 || g < 0 {
		return fmt.Errorf("%w: a lifetime of %v, a grace of %v; it takes more than nothing, and not less", ErrInvalid, l, g)
	}
	return nil
}

// Create makes a keyring with one key, [envelope.DefaultKey] in version 1, and
// returns it opened. Where one exists already it answers [ErrExists] and leaves
// that one alone.
func Create(ctx context.Context, s Storage, p Protector) (*Keyring, error) {
	k, err := newKeyring(s, p)
	if err != nil {
		return nil, err
	}
	doc := document{Format: formatName, Version: formatVersion}
	_, err = k.add(ctx, k.state, doc, envelope.DefaultKey)
	if errors.Is(err, ErrChanged) {
		err = ErrExists
	}
	if err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// Open reads a keyring and proves its protector: a local one by unwrapping all
// keys, a [Remote] by unwrapping the one that seals. Errors are [ErrNotFound],
// [ErrProtector], [ErrPermissions], [ErrDocument], or what the storage or
// protector answered.
func Open(ctx context.Context, s Storage, p Protector) (*Keyring, error) {
	k, err := newKeyring(s, p)
	if err != nil {
		return nil, err
	}
	if err = k.read(ctx); err == nil {
		err = k.proveOpened(ctx)
	}
	if err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

func (k *Keyring) proveOpened(ctx context.Context) error {
	doc := k.current().doc
	if e, ok := doc.specimen(); ok && k.remote != nil {
		return k.await(ctx, e.id())
	}
	return doc.testCheck(ctx, k.protector)
}

// Keys lists the versions in the order of the document, with the times at which
// they were made. Destroyed ones are not among them.
func (k *Keyring) Keys() (ids []envelope.KeyID, created []time.Time) {
	s := k.current()
	if s == nil {
		return nil, nil
	}
	for _, e := range s.doc.Keys {
		if !e.destroyed() {
			ids = append(ids, e.id())
			created = append(created, e.Created)
		}
	}
	return ids, created
}

// Tombstones lists the destroyed versions in the order of the document, with the
// times at which they were destroyed.
func (k *Keyring) Tombstones() (ids []envelope.KeyID, destroyed []time.Time) {
	s := k.current()
	if s == nil {
		return nil, nil
	}
	for _, e := range s.doc.tombstones() {
		ids = append(ids, e.id())
		destroyed = append(destroyed, e.Destroyed)
	}
	return ids, destroyed
}

// Close wipes the keys from memory and waits for what the keyring has going on,
// which it interrupts. Later calls answer [ErrClosed].
func (k *Keyring) Close() error {
	k.mu.Lock()
	for id := range k.keys {
		k.drop(id)
	}
	k.state = nil
	clear(k.known)
	k.mu.Unlock()
	k.end()
	k.work.Wait()
	return nil
}
