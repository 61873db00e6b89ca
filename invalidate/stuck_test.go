package invalidate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/invalidate"
)

// stuck is a cache whose disk hangs at the first word of a write, until out is closed.
type stuck struct {
	memory
	in, out, back chan struct{}
}

func newStuck() *stuck {
	return &stuck{in: make(chan struct{}), out: make(chan struct{}), back: make(chan struct{})}
}

func (s *stuck) Changing(key string) {
	close(s.in)
	<-s.out
	s.memory.Changing(key)
	close(s.back)
}

// stickPair starts a and b, and returns when a write of a has got stuck in the cache of b.
func stickPair(t *testing.T) (a, b *invalidate.Node, cache *stuck) {
	t.Helper()
	ca, socketA, socketB := newAuthority(), listen(), listen()
	toA, toB := "https://"+socketA.Addr().String(), "https://"+socketB.Addr().String()
	o := invalidate.Options{Lease: time.Second, LandingTime: 50 * time.Millisecond}
	a = must(invalidate.New(ca.identity("a", socketA), []invalidate.Peer{{Name: "b", URL: toB}}, o))
	b = must(invalidate.New(ca.identity("b", socketB), []invalidate.Peer{{Name: "a", URL: toA}}, o))
	cache = newStuck()
	if err := errors.Join(a.Start(t.Context(), &memory{}), b.Start(t.Context(), cache)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(context.Background()) })
	eventually(t, "fresh", func() bool { return a.Fresh("k") && b.Fresh("k") })
	go a.Announce(t.Context(), "k")
	<-cache.in
	return a, b, cache
}

// If Close waited for the call, this test would hang: the cache is let go only after Close returned.
func TestCloseEndsWithItsContextWhileTheCacheHangs(t *testing.T) {
	_, b, cache := stickPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call was left running, but Close says %v", err)
	}
	if s := b.Status(); s.Fresh || b.Fresh("other") {
		t.Error("fresh after Close")
	}
	before := fmt.Sprint(cache.memory.heard)
	close(cache.out)
	<-cache.back
	if now := fmt.Sprint(cache.memory.heard); now != before[:len(before)-1]+" changing k]" {
		t.Errorf("after Close the cache was told more than the call that was left: %v, then %v", before, now)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// Freshness must not wait for the cache either, and a Close without end is ended by one with an end.
func TestSecondCloseEndsTheFirstThatWaitsForTheCache(t *testing.T) {
	_, b, cache := stickPair(t)
	first := make(chan error)
	go func() { first <- b.Close(context.Background()) }()
	eventually(t, "freshness ended while the cache hangs", func() bool { return !b.Fresh("other") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("second: %v", err)
	}
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	close(cache.out)
	<-cache.back
}

// A call that is merely slow is waited for.
func TestCloseWaitsForASlowCache(t *testing.T) {
	_, b, cache := stickPair(t)
	time.AfterFunc(50*time.Millisecond, func() { close(cache.out) })
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !cache.has("changing k") {
		t.Error("Close did not wait for the call that was under way")
	}
}

// The writer cannot reach the peer, the peer can reach the writer.
func TestOneWayCutDelaysEveryWriteUntilTheNextHeartbeat(t *testing.T) {
	o := quick
	o.Lease = 20 * time.Second
	p := startPair(t, o)
	p.toB.cut()
	for i := range 4 {
		key := fmt.Sprint("k", i)
		done, err := p.a.Announce(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		// Acknowledged, and not outwaited: it held a lease all the time.
		if !p.cacheB.has("changing "+key) || p.b.Fresh(key) {
			t.Errorf("write %d did not wait for the peer to hear of it", i)
		}
		done()
		if s := p.a.Status().Peers[0]; s.Granted == 0 || s.Missed != 0 {
			t.Errorf("write %d: the peer lost its lease or missed the write: %+v", i, s)
		}
	}
}
