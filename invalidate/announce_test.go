package invalidate

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

func TestAnnounceReturnsOnlyAfterEveryPeerHasApplied(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		done := r.announce("a", "k")
		for _, peer := range []string{"b", "c"} {
			if !r.caches[peer].saw("changing k") || r.nodes[peer].Fresh("k") {
				t.Errorf("%s has not applied the intent", peer)
			}
			if !r.nodes[peer].Fresh("other") {
				t.Errorf("%s doubts a key nobody writes", peer)
			}
		}
		if r.caches["a"].saw("changing k") {
			t.Error("the writer's own cache was told: that is the store's business")
		}
		done()
		done()
		for _, peer := range []string{"b", "c"} {
			if !r.caches[peer].saw("changed k") || !r.nodes[peer].Fresh("k") {
				t.Errorf("%s has not applied the end", peer)
			}
		}
	}, "a", "b", "c")
}

func TestUnreachablePeerIsOutwaitedExactly(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.net.setCut("a", "b", true)
		r.net.setCut("b", "a", true)
		granted, begun := r.peer(r.nodes["a"], "b").Granted, time.Now()
		if granted <= simLease/2 {
			t.Fatalf("the peer holds a lease of only %v", granted)
		}
		done := r.announce("a", "k")
		if waited := time.Since(begun); waited != granted {
			t.Errorf("waited %v for a lease of %v", waited, granted)
		}
		if r.nodes["b"].Fresh("k") || r.nodes["b"].Fresh("other") {
			t.Error("the peer is fresh after the lease ran out")
		}
		done()
		begun = time.Now()
		r.announce("a", "k2")()
		if time.Since(begun) != 0 {
			t.Error("a peer without lease was waited for")
		}
		r.net.setCut("a", "b", false)
		r.net.setCut("b", "a", false)
		before := r.caches["b"].count("suspect")
		time.Sleep(simLease)
		if !r.nodes["b"].Fresh("k") || r.caches["b"].count("suspect") != before+1 {
			t.Error("the peer must be fresh again, and suspect what it had once")
		}
	}, "a", "b")
}

// It is enough that the holder can reach the writer: its heartbeat fetches what was announced.
func TestLostMessagesCostAHeartbeatNotALease(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.net.lose(pathAnnounce)
		begun := time.Now()
		done := r.announce("a", "k")
		if waited := time.Since(begun); waited > simLease/5 {
			t.Errorf("waited %v, more than a heartbeat", waited)
		}
		if r.nodes["b"].Fresh("k") || !r.nodes["b"].Fresh("other") {
			t.Error("the lease answer did not bring exactly this doubt")
		}
		done()
		time.Sleep(simLease / 2)
		if !r.nodes["b"].Fresh("k") || !r.caches["b"].saw("changed k") {
			t.Error("the next lease answer did not take the doubt away")
		}
		if r.peer(r.nodes["a"], "b").Missed != 0 {
			t.Error("an acknowledged announcement counts as missed")
		}
	}, "a", "b")
}

func TestEndedContextWithdrawsTheAnnouncement(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.net.setCut("a", "c", true)
		r.net.setCut("c", "a", true)
		ctx, cancel := context.WithTimeout(t.Context(), simLease*3/20)
		defer cancel()
		done, err := r.nodes["a"].Announce(ctx, "secret-name")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(err.Error(), "secret-name") {
			t.Error("the error names the object")
		}
		done()
		time.Sleep(simLease / 20) // the next heartbeat, which would tell the peer as well, comes later
		if s := r.nodes["a"].Status(); s.Open != 0 {
			t.Error("the announcement is still open")
		}
		if !r.caches["b"].saw("changed secret-name") || r.nodes["b"].Status().Doubts != 0 {
			t.Error("the peer that was told is left in doubt")
		}
		if r.peer(r.nodes["a"], "c").Missed != 0 {
			t.Error("a write that was not made counts as missed")
		}
	}, "a", "b", "c")
}

// If leases were held back while messages are under way, a node that writes all the time would leave
// its peers without a lease, and every hit of theirs would cost a request to S3.
func TestSteadyWritesDoNotStarveLeases(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		for range 20 {
			go func() {
				for ctx.Err() == nil {
					if done, err := r.nodes["a"].Announce(ctx, "busy"); err == nil {
						done()
					}
				}
			}()
		}
		for range 500 {
			time.Sleep(10 * time.Millisecond)
			if !r.nodes["b"].Fresh("quiet") {
				t.Fatal("the peer lost its lease")
			}
		}
		cancel()
		synctest.Wait()
	}, "a", "b")
}

func TestNothingIsAnnouncedOutsideStartAndClose(t *testing.T) {
	n, err := New(Identity{}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(want error) {
		t.Helper()
		if done, err := n.Announce(t.Context(), "k"); !errors.Is(err, want) || done == nil {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	check(ErrNotStarted)
	if n.Fresh("k") {
		t.Error("fresh before Start")
	}
	if err := n.Start(t.Context(), &recorder{}); err != nil {
		t.Fatal(err)
	}
	check(nil)
	if !n.Fresh("k") {
		t.Error("a node alone is not fresh")
	}
	if err := n.Start(t.Context(), &recorder{}); !errors.Is(err, ErrStarted) {
		t.Errorf("second Start: %v", err)
	}
	if _, err := n.Announce(t.Context(), strings.Repeat("k", maxKey+1)); err == nil {
		t.Error("a key that peers would refuse was announced")
	}
	for range 2 {
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check(ErrClosed)
	if n.Fresh("k") {
		t.Error("fresh after Close")
	}
	if err := n.Start(t.Context(), &recorder{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Close: %v", err)
	}
}

// A node that is alone serves at once, but what its earlier process left in flight may land.
func TestNodeAloneSuspectsWhatItReadBeforeItsOwnOrphansLanded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := Options{}.withDefaults()
		n, cache := newNode(Identity{}, nil, o, deaf{}, "1"), &recorder{}
		if err := n.Start(t.Context(), cache); err != nil {
			t.Fatal(err)
		}
		defer n.Close(context.Background())
		time.Sleep(59 * time.Second)
		if cache.saw("suspect") {
			t.Error("too early")
		}
		time.Sleep(2 * time.Second)
		if !cache.saw("suspect") || !n.Fresh("k") {
			t.Error("the landing time passed unnoticed")
		}
	})
}
