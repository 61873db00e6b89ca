package keyring

import (
	"context"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// state is what the keyring knows of its document; it never changes.
type state struct {
	doc      document
	revision string // none after a change of our own
	number   uint64 // of readings and changes, counted as they begin
	// The reading, or our own change, began and ended.
	began, ended time.Time
}

func (k *Keyring) current() *state {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.state
}

// absence says why a key is not in memory.
func (s *state) absence(id envelope.KeyID) error {
	switch e, ok := s.doc.find(id); {
	case !ok:
		return envelope.ErrKeyUnknown
	case e.destroyed():
		return envelope.ErrKeyDestroyed
	default:
		return errAsleep
	}
}

// keyBatch is keys on their way into memory.
type keyBatch map[envelope.KeyID]*held

func (b keyBatch) wipe() {
	for _, h := range b {
		h.key.wipe()
	}
}

// install makes next what the keyring knows, and wipes what that says is
// destroyed. It owns fresh. Its caller holds turn and mu.
func (k *Keyring) install(next *state, fresh keyBatch) error {
	if k.state == nil {
		fresh.wipe()
		return ErrClosed
	}
	for _, e := range next.doc.tombstones() {
		k.drop(e.id())
		delete(k.pauses, e.id())
		delete(k.known, e.id())
	}
	for id, h := range fresh {
		// One whose lifetime is over already is unwrapped when it is needed.
		_ = k.hold(id, h, next.began)
	}
	k.state = next
	return nil
}

// store replaces the stored document, if it still is the one of s, and returns
// what the keyring knows from then on.
func (k *Keyring) store(ctx context.Context, s *state, doc document) (*state, error) {
	b, err := doc.encode()
	if err != nil {
		return nil, err
	}
	if k.current() == nil {
		return nil, ErrClosed
	}
	number, began := k.readings.Add(1), time.Now()
	if err := k.storage.Save(ctx, b, s.revision); err != nil {
		return nil, err
	}
	return &state{doc: doc, number: number, began: began, ended: time.Now()}, nil
}

// save stores doc and installs it with the keys that are new in it, which it owns.
// Its caller holds turn.
func (k *Keyring) save(ctx context.Context, s *state, doc document, fresh keyBatch) error {
	next, err := k.store(ctx, s, doc)
	if err != nil {
		fresh.wipe()
		return err
	}
	return k.installOwn(next, fresh)
}

// installOwn installs a change of our own, in which no other key can be.
func (k *Keyring) installOwn(next *state, fresh keyBatch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.install(next, fresh)
}
