package keyring

import (
	"errors"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

var errTooLate = errors.New("keyring: the key's lifetime was over before it was unwrapped")

// held is a key in memory.
type held struct {
	key     unseen
	wrapped []byte // what key was unwrapped from
	// Under a Remote: until fresh it is used without a question, until until
	// while the question cannot be answered. timer ends it, so that a process
	// that nobody asks forgets as well.
	fresh, until time.Time
	timer        *time.Timer
}

// usable says whether the key may still be used, and stale whether the service
// is to be asked again. Without a timer it stays for as long as the keyring.
func (h *held) usable(now time.Time) bool {
	return h != nil && (h.timer == nil || now.Before(h.until))
}

func (h *held) stale(now time.Time) bool { return h.timer != nil && !now.Before(h.fresh) }

// hold keeps h, which it owns from then on, in the place of what was held before.
// began is when the document was read that h comes from, and a lifetime counts
// from there: were it to count from the unwrapping, a key could be destroyed
// between the two and stay for longer than a lifetime. The caller holds mu.
func (k *Keyring) hold(id envelope.KeyID, h *held, began time.Time) error {
	if k.remote != nil {
		h.fresh = began.Add(k.lifetime)
		h.until = h.fresh.Add(k.grace)
		left := time.Until(h.until)
		if left <= 0 {
			h.key.wipe()
			return errTooLate
		}
		k.work.Add(1)
		h.timer = time.AfterFunc(left, func() {
			defer k.work.Done()
			k.expire(id, h)
		})
	}
	k.drop(id)
	k.keys[id] = h
	k.meet(id, h)
	return nil
}

// drop wipes a key. It needs mu for writing, and whoever derives has it for
// reading: what was derived from zeros would seal for everybody.
func (k *Keyring) drop(id envelope.KeyID) {
	h := k.keys[id]
	if h == nil {
		return
	}
	if h.timer != nil && h.timer.Stop() {
		k.work.Done()
	}
	h.key.wipe()
	delete(k.keys, id)
}

func (k *Keyring) expire(id envelope.KeyID, h *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[id] == h { // and not one that took its place meanwhile
		k.drop(id)
	}
}

func (k *Keyring) holds(id envelope.KeyID) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[id] != nil
}
