package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

func (k *Keyring) current() *state {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.state
}

func (k *Keyring) acquire(ctx context.Context) (release func(), err error) {
	select {
	case k.turn <- struct{}{}:
		return func() { <-k.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// vainPause is how long a reading that found nothing new is not repeated. Anybody
// can write a header that asks for sixteen keys which were never made.
const vainPause = time.Second

// ask asks again, after another reading of the document, for a key that is not
// known. It says how many readings there had been when it was not.
func (k *Keyring) ask(ctx context.Context, name string, what func() (reads uint64, err error)) error {
	seen, err := what()
	if !errors.Is(err, envelope.ErrKeyUnknown) || checkName(name) != nil {
		return err
	}
	if err := k.reread(ctx, seen); err != nil {
		return err
	}
	_, err = what()
	return err
}

// reread reads the document again, unless somebody did since the caller looked:
// a thousand requests for a key that was just rotated in are one reading.
func (k *Keyring) reread(ctx context.Context, seen uint64) error {
	release, err := k.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	k.mu.RLock()
	done := k.reads > seen
	k.mu.RUnlock()
	if done || time.Since(k.vain) < vainPause {
		return nil
	}
	return k.readAnew(ctx)
}

// readAnew notes whether the reading was in vain.
func (k *Keyring) readAnew(ctx context.Context) error {
	old := k.current()
	if err := k.read(ctx); err != nil {
		return err
	}
	if s := k.current(); old != nil && s != nil && s.revision == old.revision {
		k.vain = time.Now()
	}
	return nil
}

// read replaces the state by the stored document's. Its caller holds turn. Keys
// known already are not unwrapped again, so that a re-reading is cheap.
func (k *Keyring) read(ctx context.Context) error {
	b, revision, err := k.storage.Load(ctx)
	if err != nil {
		return err
	}
	doc, err := parseDocument(b)
	if err != nil {
		return err
	}
	old := k.current()
	if old == nil {
		return ErrClosed
	}
	next := &state{doc: doc, revision: revision, keys: make(map[envelope.KeyID][]byte, len(doc.Keys))}
	for _, w := range doc.Keys {
		id := envelope.KeyID{Name: w.Name, Version: w.Version}
		if key, ok := old.keys[id]; ok {
			next.keys[id] = key
			continue
		}
		key, err := k.protector.Unwrap(ctx, id, w.Wrapped)
		if err != nil {
			return fmt.Errorf("keyring: unwrapping %v: %w", id, err)
		}
		next.keys[id] = key
	}
	return k.install(next)
}

func (k *Keyring) install(next *state) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == nil {
		return ErrClosed
	}
	k.state = next
	k.reads++
	return nil
}
