package invalidate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestNobodyWaitsForAPeerThatClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		if err := r.nodes["b"].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		r.announce("a", "k")()
		if time.Since(begun) != 0 {
			t.Errorf("waited %v for a peer that gave its lease back", time.Since(begun))
		}
	}, "a", "b")
}

func TestDeploymentCostsNoFreshnessAndACrashTheLandingTime(t *testing.T) {
	for _, crash := range []bool{false, true} {
		inBubble(t, func(t *testing.T, r *rig) {
			if crash {
				r.kill("b")
			} else if err := r.nodes["b"].Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(simLease / 4)
			r.start("b", []string{"a", "b"})
			time.Sleep(simLease / 2)
			for _, name := range []string{"a", "b"} {
				if fresh := r.nodes[name].Fresh("k"); fresh == crash {
					t.Errorf("crash %v: %s fresh: %v", crash, name, fresh)
				}
			}
			time.Sleep(simLanding + simLease/2)
			for _, name := range []string{"a", "b"} {
				if !r.nodes[name].Fresh("k") {
					t.Errorf("crash %v: %s is not fresh again", crash, name)
				}
			}
		}, "a", "b")
	}
}

// A write that was handed out when the node closed can still land: that is no close in good order.
func TestCloseDuringAWriteIsTreatedAsACrash(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		done := r.announce("b", "k")
		if err := r.nodes["b"].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		done()
		r.start("b", []string{"a", "b"})
		time.Sleep(simLease / 2)
		if r.nodes["a"].Fresh("k") || r.nodes["b"].Fresh("k") {
			t.Error("fresh, with a write in flight that nobody answers for")
		}
	}, "a", "b")
}

func TestCloseEndsWaitingAnnouncements(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.net.setCut("a", "b", true)
		r.net.setCut("b", "a", true)
		result := make(chan error)
		go func() {
			_, err := r.nodes["a"].Announce(context.Background(), "k")
			result <- err
		}()
		synctest.Wait()
		go r.nodes["a"].Close(context.Background())
		if err := <-result; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}, "a", "b")
}

// slow is a peer that grants and whose answer takes a while.
type slow struct{ takes time.Duration }

func (s slow) post(context.Context, Peer, string, []byte) ([]byte, error) {
	time.Sleep(s.takes)
	return encode(leaseAnswer{Boot: "w", Age: old, Term: simLease, Missed: 1}), nil
}
func (slow) close() {}

func TestLeaseIsCountedFromBeforeTheRequestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := Options{Lease: simLease, LandingTime: simLanding}.withDefaults()
		n := newNode(Identity{Name: "n"}, []Peer{{Name: "w"}}, o, slow{simLease / 10}, "1")
		n.leases.start(&recorder{})
		if _, err := n.renew(n.peers[0]); err != nil {
			t.Fatal(err)
		}
		if held := n.Status().Peers[0].Held; held != simLease*9/10 {
			t.Errorf("a lease of %v whose answer took %v holds for another %v", simLease, simLease/10, held)
		}
	})
}

func TestPeerThatIsDownKeepsTheOthersConfirming(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.kill("c")
		time.Sleep(simLease - 1)
		for range 10 {
			time.Sleep(simLease)
			if r.nodes["a"].Fresh("k") || r.nodes["b"].Fresh("k") {
				t.Fatal("fresh without a lease from every member")
			}
		}
		held := r.nodes["a"].Status()
		if held.Fresh || held.Peers[0].Held == 0 || held.Peers[1].Held != 0 {
			t.Errorf("the status does not say who is missing: %+v", held)
		}
	}, "a", "b", "c")
}
