package invalidate

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// patient is the Listener as the holder calls it: it waits for each call until Close has run out of
// patience. A cache may live on a disk, and a disk may hang. The hung call is made under the holder's
// lock, so every message of a peer, every renewal and Close itself would queue behind it for ever.
//
// A hung call cannot be ended, only left behind, so each has a goroutine of its own: then the lock and
// all else that waits for it are let go. That is a microsecond beside the TLS round trip that brought
// the message. The holder makes one call at a time, so that no more than one can be left behind,
// and of shredding those that did not heed their context.
type patient struct {
	cache Listener
	once  sync.Once
	gone  chan struct{} // closed when nobody waits any more
	why   error         // written before gone is closed
	left  atomic.Bool   // a call was left running
}

func (p *patient) Changing(key string) { p.do(func() { p.cache.Changing(key) }) }
func (p *patient) Changed(key string)  { p.do(func() { p.cache.Changed(key) }) }
func (p *patient) Suspect()            { p.do(p.cache.Suspect) }

// do does not begin a call that nobody waits for: the cache may be gone.
func (p *patient) do(call func()) {
	if p.givenUp() {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	select {
	case <-done:
	case <-p.gone:
		p.left.Store(true)
	}
}

// giveUp is for a node that is not fresh any more and sends nothing: what peers say from here on is not
// applied, and must be neither served by nor acknowledged.
func (p *patient) giveUp(why error) {
	p.once.Do(func() {
		p.why = why
		close(p.gone)
	})
}

func (p *patient) givenUp() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// err is nil unless a call was left running.
func (p *patient) err() error {
	if !p.left.Load() {
		return nil
	}
	return fmt.Errorf("invalidate: closing: a call of the Listener was left running: %w", p.why)
}
