package keyring

import (
	"context"
	"errors"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

func (k *Keyring) acquire(ctx context.Context) (release func(), err error) {
	select {
	case k.turn <- struct{}{}:
		return func() { <-k.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Reload reads the document again now: what a process does when it hears that
// keys were added or destroyed elsewhere. It returns when the followers have been
// told of what was destroyed, with their errors, if any.
func (k *Keyring) Reload(ctx context.Context) error {
	release, err := k.acquire(ctx)
	if err != nil {
		return err
	}
	err = func() error {
		defer release() // a follower may need the turn
		return k.read(ctx)
	}()
	return errors.Join(err, errors.Join(k.tell(ctx, nil)...))
}

// vainPause is how long a reading that found nothing new, or failed, is not
// repeated. Anybody can write a header that asks for sixteen keys which were
// never made.
const vainPause = time.Second

// ask asks again, after another reading of the document, for a key that is not
// known. A destroyed one is not looked for: it never comes back.
func (k *Keyring) ask(ctx context.Context, name string, what func() error) error {
	asked := k.readings.Load()
	err := what()
	if !errors.Is(err, envelope.ErrKeyUnknown) || errors.Is(err, envelope.ErrKeyDestroyed) || checkName(name) != nil {
		return err
	}
	if err := k.reread(ctx, asked); err != nil {
		return err
	}
	return what()
}

// reread reads the document again, unless somebody did since the caller asked:
// a thousand requests for a key that was just rotated in are one reading. asked is
// how many readings had begun then. One of those, even if it ends later, may have
// loaded the document before the key was in it.
func (k *Keyring) reread(ctx context.Context, asked uint64) error {
	release, err := k.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	if s := k.current(); s != nil && s.number > asked || time.Since(k.vain) < vainPause {
		return nil
	}
	return k.readAnew(ctx)
}

// readAnew notes whether the reading was in vain.
func (k *Keyring) readAnew(ctx context.Context) error {
	old := k.current()
	if err := k.readOnce(ctx); err != nil {
		return err
	}
	if s := k.current(); old != nil && s != nil && s.revision == old.revision {
		k.vain = time.Now()
	}
	return nil
}

// lostReading is one that failed.
type lostReading struct {
	err error
	at  time.Time
}

// readOnce reads for all who wait for the turn: what failed for the first fails for
// the others, who would each wait for a storage that does not answer.
func (k *Keyring) readOnce(ctx context.Context) error {
	if k.lost.err != nil && time.Since(k.lost.at) < vainPause {
		return k.lost.err
	}
	err := k.readAndTell(ctx)
	if err != nil && ctx.Err() == nil { // else it failed for this caller alone
		k.lost = lostReading{err, time.Now()}
	}
	return err
}

// readAndTell tells also where the reading fails: it may have shown tombstones.
func (k *Keyring) readAndTell(ctx context.Context) error {
	defer k.tellSoon()
	return k.read(ctx)
}

// readLately reads the document, unless somebody did a moment ago, so that one
// reading does for many keys. The moment is short beside a lifetime.
func (k *Keyring) readLately(ctx context.Context) error {
	if k.lately() {
		return nil
	}
	release, err := k.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	if k.lately() {
		return nil
	}
	return k.readOnce(ctx)
}

func (k *Keyring) lately() bool {
	s := k.current()
	return s != nil && time.Since(s.ended) < min(vainPause, k.lifetime/8)
}

// read takes over the stored document. Its caller holds turn.
func (k *Keyring) read(ctx context.Context) error {
	next, err := k.load(ctx)
	if err != nil {
		return err
	}
	old := k.current()
	if old == nil {
		return ErrClosed
	}
	if err := next.doc.follows(old.doc); err != nil {
		return err
	}
	fresh, err := k.unwrapNew(ctx, next.doc)
	if err == nil {
		err = k.takeOver(ctx, next, fresh)
	}
	if err == nil {
		k.lost = lostReading{} // whoever read: the outage is over
		return nil
	}
	if errors.Is(err, ErrRolledBack) {
		return err
	}
	return errors.Join(err, k.heedTombstones(old, next.doc))
}

// heedTombstones takes over nothing else of a document: what is destroyed is
// destroyed, even if new keys cannot be had because the secret was wiped. Those
// stay unknown.
func (k *Keyring) heedTombstones(old *state, d document) error {
	stones := d.tombstones()
	if old.doc.buriedAll(stones) {
		return nil
	}
	next := *old
	next.doc = old.doc.with(stones...)
	// It is no stored document's: who saves on the condition that the old one is
	// still there would save over these tombstones.
	next.revision = ""
	return k.installOwn(&next, nil)
}

func (d document) buriedAll(stones []keyEntry) bool {
	for _, e := range stones {
		if here, _ := d.find(e.id()); !here.destroyed() {
			return false
		}
	}
	return true
}

func (k *Keyring) load(ctx context.Context) (*state, error) {
	number, began := k.readings.Add(1), time.Now()
	b, revision, err := k.storage.Load(ctx)
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(b)
	if err != nil {
		return nil, err
	}
	return &state{doc: doc, revision: revision, number: number, began: began, ended: time.Now()}, nil
}

// unwrapNew unwraps what a local protector has not unwrapped yet. Keys in memory
// are not unwrapped again, so that a re-reading is cheap, and works without the
// secret as long as nobody added a key or wrapped one anew.
func (k *Keyring) unwrapNew(ctx context.Context, doc document) (keyBatch, error) {
	fresh := keyBatch{}
	if k.remote != nil {
		return fresh, nil
	}
	for _, e := range doc.Keys {
		if e.destroyed() || k.holds(e.id()) {
			continue
		}
		key, err := unwrapKey(ctx, k.protector, e)
		if err != nil {
			fresh.wipe()
			return nil, err
		}
		fresh[e.id()] = &held{key: hide(key), wrapped: e.Wrapped}
	}
	return fresh, nil
}
