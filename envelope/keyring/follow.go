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

// tellTime bounds the telling of followers that nobody waits for.
const tellTime = time.Minute

// Follower ends what can still be had without a destroyed key, such as a cache's
// entries here, or on other machines, which it has to hear back from. It returns
// an error if it could not reach something. It is called with keys that it knows
// already when that is asked for, or after it failed; never twice at a time, but
// together with other followers.
//
// It may use the keyring, but must not call Destroy, DestroyVersion, Reload or
// Close, which wait for it.
type Follower func(ctx context.Context, destroyed []envelope.KeyID) error

// followers are those of a keyring, and how far they have been told.
type followers struct {
	// talk is held by whoever tells, so that nobody is told twice. It can be
	// waited for with a context.
	talk chan struct{}

	listMu sync.Mutex
	list   []*follower
	owing  bool // somebody read something to tell
	busy   bool // a goroutine is at it
}

type follower struct {
	call Follower
	told map[envelope.KeyID]bool // belongs to whoever holds talk
}

func newFollowers() followers { return followers{talk: make(chan struct{}, 1)} }

// Follow has f called for every key that is destroyed here, and for every one
// that a reading of the document shows as destroyed elsewhere: once for each, and
// again at the next reading if f failed. Keys that were destroyed before, perhaps
// while this process did not run, come with the next reading: call Reload after
// Follow to have them at once.
func (k *Keyring) Follow(f Follower) {
	k.listMu.Lock()
	defer k.listMu.Unlock()
	k.list = append(k.list, &follower{call: f, told: map[envelope.KeyID]bool{}})
}

// tell calls the followers with what they have not been told yet, and with again
// in any case: all at the same time, so that one that hangs, fails or panics does
// not keep it from the others. The caller holds no lock, as followers may use the
// keyring.
func (k *Keyring) tell(ctx context.Context, again []envelope.KeyID) (failed []error) {
	if err := k.takeTalk(ctx); err != nil {
		return []error{fmt.Errorf("keyring: followers were not told: %w", err)}
	}
	defer func() { <-k.talk }()
	stones, _ := k.Tombstones()
	list := k.listed()
	failed = make([]error, len(list))
	var all sync.WaitGroup
	for i, f := range list {
		all.Go(func() { failed[i] = f.tell(ctx, stones, again) })
	}
	all.Wait()
	return slices.DeleteFunc(failed, func(err error) bool { return err == nil })
}

// takeTalk takes what is free even after the context's end, since a destruction
// tells all its followers whatever happens; waiting ends with the context.
func (k *Keyring) takeTalk(ctx context.Context) error {
	select {
	case k.talk <- struct{}{}:
		return nil
	default:
	}
	select {
	case k.talk <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *Keyring) listed() []*follower {
	k.listMu.Lock()
	defer k.listMu.Unlock()
	return slices.Clone(k.list)
}

func (f *follower) tell(ctx context.Context, stones, again []envelope.KeyID) error {
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
	if err != nil {
		return fmt.Errorf("keyring: follower: %w", err)
	}
	for _, id := range news {
		f.told[id] = true
	}
	return nil
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
