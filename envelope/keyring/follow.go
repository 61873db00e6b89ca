package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// tellTime bounds the telling of followers that nobody waits for, and lastWord is
// what a follower has beyond a context to heed its end, and to say what it has done.
const (
	tellTime = time.Minute
	lastWord = time.Second
)

// Follower ends what can still be had without a destroyed key, such as a cache's
// entries here, or on other machines, which it has to hear back from. It returns
// an error if it could not reach something. It is called with keys that it knows
// already when that is asked for, or after it failed; never twice at a time, but
// together with other followers.
//
// It must heed its context, which also ends with Close. One that has not answered a
// second after is left behind as unreached. It goes on by itself and is not called
// again before it has returned, and Close waits for it.
//
// It may use the keyring, but must not call Destroy, DestroyVersion, Reload or
// Close, which wait for it.
type Follower func(ctx context.Context, destroyed []envelope.KeyID) error

// followers are those of a keyring.
type followers struct {
	listMu sync.Mutex
	list   []*follower
	owing  bool // somebody read something to tell
	busy   bool // a goroutine is at it
}

type follower struct {
	call Follower
	// turn is held by whoever tells it, so that it is not told twice. It can be
	// waited for with a context.
	turn chan struct{}
	told map[envelope.KeyID]bool // belongs to whoever holds turn
}

// Follow has f called for every key that is destroyed here, and for every one
// that a reading of the document shows as destroyed elsewhere: once for each, and
// again at the next reading if f failed. Keys that were destroyed before, perhaps
// while this process did not run, come with the next reading: call Reload after
// Follow to have them at once.
func (k *Keyring) Follow(f Follower) {
	k.listMu.Lock()
	defer k.listMu.Unlock()
	k.list = append(k.list, &follower{call: f, turn: make(chan struct{}, 1), told: map[envelope.KeyID]bool{}})
}

// tell calls the followers with what they have not been told yet, and with again
// in any case: all at the same time, so that one that hangs, fails or panics does
// not keep it from the others. The caller holds no lock, as followers may use the
// keyring.
func (k *Keyring) tell(ctx context.Context, again []envelope.KeyID) (failed []error) {
	stones, _ := k.Tombstones()
	list := k.listed()
	failed = make([]error, len(list))
	var all sync.WaitGroup
	for i, f := range list {
		answer := k.send(ctx, f, stones, again)
		all.Go(func() {
			if err := hear(ctx, answer); err != nil {
				failed[i] = fmt.Errorf("keyring: follower: %w", err)
			}
		})
	}
	all.Wait()
	return slices.DeleteFunc(failed, func(err error) bool { return err == nil })
}

// send tells f in a goroutine that Close waits for, since it may outlast its caller.
func (k *Keyring) send(ctx context.Context, f *follower, stones, again []envelope.KeyID) <-chan error {
	answer := make(chan error, 1)
	k.mu.RLock() // keeps Close from waiting before this has begun
	defer k.mu.RUnlock()
	if k.state == nil {
		answer <- ErrClosed
		return answer
	}
	k.work.Go(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(k.life, cancel)()
		answer <- f.tell(ctx, stones, again)
	})
	return answer
}

// hear waits for a follower's answer beyond the context's end, but not for ever:
// the destruction has happened, and whoever asked for it must learn that, and that
// the follower was not reached.
func hear(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	last := time.NewTimer(lastWord)
	defer last.Stop()
	select {
	case err := <-answer:
		return err
	case <-last.C:
		return fmt.Errorf("has not answered: %w", ctx.Err())
	}
}

func (k *Keyring) listed() []*follower {
	k.listMu.Lock()
	defer k.listMu.Unlock()
	return slices.Clone(k.list)
}

func (f *follower) tell(ctx context.Context, stones, again []envelope.KeyID) error {
	if err := f.takeTurn(ctx); err != nil {
		return fmt.Errorf("was not told: %w", err)
	}
	defer func() { <-f.turn }()
	news := slices.Clone(again)
	for _, id := range stones {
		if !f.told[id] && !slices.Contains(again, id) {
			news = append(news, id)
		}
	}
	if len(news) == 0 {
		return nil
	}
	slices.SortFunc(news, compareIDs)
	err := sheltered(func() error { return f.call(ctx, slices.Clone(news)) })
	for _, id := range news {
		f.told[id] = err == nil // also of what it had been told before
	}
	return err
}

// takeTurn takes what is free even after the context's end, since a destruction
// tells all its followers whatever happens; waiting ends with the context.
func (f *follower) takeTurn(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case f.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tellSoon tells in the background what the reading just made has shown.
func (k *Keyring) tellSoon() {
	k.mu.RLock() // keeps Close from waiting before this has begun
	defer k.mu.RUnlock()
	k.listMu.Lock()
	defer k.listMu.Unlock()
	if k.state == nil || len(k.list) == 0 {
		return
	}
	k.owing = true
	if !k.busy {
		k.busy = true
		k.work.Go(k.tellWhatIsOwed)
	}
}

func (k *Keyring) tellWhatIsOwed() {
	for k.takeOwed() {
		ctx, cancel := context.WithTimeout(k.life, tellTime)
		// Who fails is told again after the next reading, and Reload says so.
		_ = errors.Join(k.tell(ctx, nil)...)
		cancel()
	}
}

func (k *Keyring) takeOwed() bool {
	k.listMu.Lock()
	defer k.listMu.Unlock()
	owed := k.owing
	k.owing, k.busy = false, owed
	return owed
}
