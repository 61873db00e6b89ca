package keyring

import (
	"bytes"
	"context"
	"fmt"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/expand"
)

// identity tells a key from every other one, also when its bytes are wiped. It
// stays in this process: derived from 256 random bits, it gives nothing away, but
// is the same for the same key.
type identity [envelope.DerivedKeySize]byte

func identityOf(key []byte) (i identity) {
	expand.New(key).Into(i[:], []byte("hipaakit keyring identity"))
	return i
}

// acquaintance is a key that this process has had in memory, and perhaps sealed
// with. An id alone does not tell which key it was: a document that was put back
// to an older one, and rotated then, has another key under the same id, and what
// is sealed here under the first would be lost with this process.
type acquaintance struct {
	identity identity
	wrapped  []byte // that it was last found in
}

// meet makes h known. Keys that were only exported are not: nothing was sealed with
// them here, and there can be many. The caller holds mu.
func (k *Keyring) meet(id envelope.KeyID, h *held) {
	if _, ok := k.known[id]; !ok {
		k.known[id] = acquaintance{identityOf(h.key()), h.wrapped}
	}
}

// mistaken says whether another key was known by the id. The caller holds mu.
func (k *Keyring) mistaken(id envelope.KeyID, h *held) bool {
	known, ok := k.known[id]
	return ok && known.identity != identityOf(h.key())
}

// doubtful returns the keys whose wrapped bytes are not those that they were known
// by: the document was exported and put back under the same secret or another, or
// has another key. The caller holds mu.
func (k *Keyring) doubtful(d document) (entries []keyEntry) {
	for _, e := range d.Keys {
		known, ok := k.known[e.id()]
		if ok && !e.destroyed() && !bytes.Equal(known.wrapped, e.Wrapped) {
			entries = append(entries, e)
		}
	}
	return entries
}

// takeOver makes next what the keyring knows, if every key that was known is still
// the same one in it. It owns fresh. Its caller holds turn.
func (k *Keyring) takeOver(ctx context.Context, next *state, fresh keyBatch) error {
	for {
		doubtful, err := k.installUndoubted(next, fresh)
		if len(doubtful) == 0 {
			return err
		}
		for _, e := range doubtful {
			if err := k.compare(ctx, e); err != nil {
				fresh.wipe()
				return err
			}
		}
	}
}

// installUndoubted does nothing but say so if there is doubt. That and the
// installing are one step: a key can get known at any moment.
func (k *Keyring) installUndoubted(next *state, fresh keyBatch) ([]keyEntry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if doubtful := k.doubtful(next.doc); len(doubtful) > 0 {
		return doubtful, nil
	}
	return nil, k.install(next, fresh)
}

// compare unwraps a doubtful key. What was found to be the same stays known as
// such, even if the reading comes to nothing: the next one goes on from there.
func (k *Keyring) compare(ctx context.Context, e keyEntry) error {
	key, err := unwrapKey(ctx, k.protector, e)
	if err != nil {
		return err
	}
	now := identityOf(key)
	clear(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state == nil {
		return ErrClosed
	}
	if k.known[e.id()].identity != now {
		return fmt.Errorf("%w: %v is another key", ErrRolledBack, e.id())
	}
	k.known[e.id()] = acquaintance{now, e.Wrapped}
	if h := k.keys[e.id()]; h != nil {
		h.wrapped = e.Wrapped
	}
	return nil
}
