package invalidate

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

const leaseWithMargin = simLease + simLease/clockMargin

func inGrantor(t *testing.T, f func(t *testing.T, g *grantor)) {
	synctest.Test(t, func(t *testing.T) {
		g := newGrantor("g", []Peer{{Name: "n"}}, simLease, time.Now())
		f(t, g)
	})
}

func register(t *testing.T, g *grantor, key string) *announcement {
	t.Helper()
	a, err := g.register(key, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func remaining(a *announcement) time.Duration { return time.Until(a.waits["n"].until) }

func TestNewProcessOutwaitsTheLeasesOfItsPredecessor(t *testing.T) {
	inGrantor(t, func(t *testing.T, g *grantor) {
		if a := register(t, g, "k"); !a.waits["n"].pending() || remaining(a) != leaseWithMargin {
			t.Errorf("waits for %v", remaining(a))
		}
		g.grant(leaseRequest{From: "n", Boot: "b"})
		g.surrender(farewell{From: "n", Boot: "b"})
		if !register(t, g, "k").waits["n"].pending() {
			t.Error("what this process granted says nothing about what its predecessor did")
		}
		time.Sleep(leaseWithMargin)
		if register(t, g, "k").waits["n"].pending() {
			t.Error("waits for leases that have run out")
		}
	})
}

func TestPeerThatRestartsForEverIsForgottenAsItsLeasesEnd(t *testing.T) {
	inGrantor(t, func(t *testing.T, g *grantor) {
		for i := range 100 {
			g.grant(leaseRequest{From: "n", Boot: fmt.Sprint(i)})
			time.Sleep(simLease / 2)
		}
		if n := len(g.peers["n"].until); n > 3 {
			t.Errorf("%d leases are remembered", n)
		}
	})
}

func TestLeaseGrantedAfterAnAnnouncementCarriesItAndDoesNotProlongTheWait(t *testing.T) {
	inGrantor(t, func(t *testing.T, g *grantor) {
		g.grant(leaseRequest{From: "n", Boot: "b"})
		a := register(t, g, "k")
		time.Sleep(simLease / 2)
		answer := g.grant(leaseRequest{From: "n", Boot: "b"})
		if len(answer.Open) != 1 || string(answer.Open[0].Key) != "k" || answer.Open[0].Seq != a.seq || answer.Seq != a.seq {
			t.Errorf("the lease does not carry the announcement: %+v", answer)
		}
		if remaining(a) != leaseWithMargin-simLease/2 {
			t.Errorf("the wait became %v", remaining(a))
		}
		if !a.waits["n"].pending() {
			t.Error("asking is not acknowledging")
		}
	})
}

func TestOnlyWhatWasSeenOfThisProcessIsAcknowledged(t *testing.T) {
	inGrantor(t, func(t *testing.T, g *grantor) {
		a, b := register(t, g, "k"), register(t, g, "l")
		g.grant(leaseRequest{From: "n", Boot: "b", Seen: seen{Boot: "another", Seq: 9}})
		if !a.waits["n"].pending() {
			t.Error("acknowledged to another process")
		}
		g.grant(leaseRequest{From: "n", Boot: "b", Seen: seen{Boot: g.boot, Seq: a.seq}})
		if a.waits["n"].pending() || !b.waits["n"].pending() {
			t.Error("the first, and only the first, has been seen")
		}
	})
}

func TestEndWithoutAcknowledgmentIsMissedUnlessNothingWasWritten(t *testing.T) {
	inGrantor(t, func(t *testing.T, g *grantor) {
		missed := func() uint64 { return g.grant(leaseRequest{From: "n", Boot: "b"}).Missed }
		first := missed()
		g.finish(register(t, g, "withdrawn"), false)
		a := register(t, g, "acknowledged")
		g.acked(a, "n")
		if told := g.finish(a, true); len(told) != 1 {
			t.Errorf("the peer holds a doubt, told: %v", told)
		}
		if missed() != first {
			t.Error("the peer missed nothing")
		}
		if told := g.finish(register(t, g, "outwaited"), true); len(told) != 0 {
			t.Errorf("told: %v", told)
		}
		if missed() != first+1 {
			t.Error("the peer missed a write")
		}
	})
}

func TestFarewellFreesWritersButNotFromTheLeaseOfANewerProcess(t *testing.T) {
	inGrantor(t, func(t *testing.T, g *grantor) {
		time.Sleep(leaseWithMargin)
		g.grant(leaseRequest{From: "n", Boot: "old"})
		g.grant(leaseRequest{From: "n", Boot: "new"})
		a := register(t, g, "k")
		g.surrender(farewell{From: "n", Boot: "old"})
		if !a.waits["n"].pending() {
			t.Error("a late farewell of the old process took the lease of the new one")
		}
		g.surrender(farewell{From: "n", Boot: "new"})
		if a.waits["n"].pending() {
			t.Error("no lease is left, and the writer still waits")
		}
		g.finish(a, true)
		if g.peers["n"].missed != 2 {
			t.Error("a peer that left has missed the write")
		}
	})
}

func TestCloseIsCleanOnlyIfNoWriterHasBeenLetLoose(t *testing.T) {
	inGrantor(t, func(t *testing.T, g *grantor) {
		waiting := register(t, g, "k")
		if !g.close() {
			t.Error("the writer still waits, nothing is in flight")
		}
		if err := g.hand(waiting); !errors.Is(err, ErrClosed) {
			t.Errorf("a writer was let loose after close: %v", err)
		}
		if _, err := g.register("l", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("registered after close: %v", err)
		}
	})
	inGrantor(t, func(t *testing.T, g *grantor) {
		if err := g.hand(register(t, g, "k")); err != nil {
			t.Fatal(err)
		}
		if g.close() {
			t.Error("a write is in flight")
		}
	})
}
