package invalidate

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// lone is a holder with one peer, to which the test speaks as that peer.
type lone struct {
	*holder
	cache *recorder
	t     *testing.T
}

func inHolder(t *testing.T, f func(l *lone)) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Lease: simLease, LandingTime: simLanding}
		l := &lone{newHolder([]Peer{{Name: "w"}}, o, time.Now()), &recorder{}, t}
		l.start(l.cache)
		time.Sleep(simLanding)
		l.vouch()
		f(l)
	})
}

// old is the age of a process whose predecessors have long stopped mattering.
const old = time.Hour

// lease asks and applies an answer at the same moment.
func (l *lone) lease(boot string, age time.Duration, missed, seq uint64, open ...openKey) {
	_, meeting := l.ask("w")
	a := leaseAnswer{Boot: boot, Age: age, Term: simLease, Missed: missed, Seq: seq, Open: open}
	l.apply("w", a, l.fresh.now(), meeting)
}

func (l *lone) intent(boot string, seq uint64, key string) {
	l.hear(notice{From: "w", Boot: boot, Seq: seq, Key: []byte(key)})
}

func (l *lone) done(boot string, seq uint64, key string) {
	l.hear(notice{From: "w", Boot: boot, Seq: seq, Key: []byte(key), Over: true})
}

func (l *lone) want(key string, fresh bool, why string) {
	l.t.Helper()
	if l.fresh.holds(key) != fresh {
		l.t.Errorf("fresh is %v: %s", !fresh, why)
	}
}

func TestLeaseCountsFromTheRequestAndEndsExactly(t *testing.T) {
	inHolder(t, func(l *lone) {
		sent := l.fresh.now()
		_, meeting := l.ask("w")
		time.Sleep(simLease / 4)
		l.apply("w", leaseAnswer{Boot: "1", Age: old, Term: simLease, Missed: 1}, sent, meeting)
		time.Sleep(simLease*3/4 - time.Nanosecond)
		l.want("k", true, "the lease has not ended")
		time.Sleep(time.Nanosecond)
		l.want("k", false, "the lease has ended")
	})
}

func TestShorterTermOfTheTwoCounts(t *testing.T) {
	inHolder(t, func(l *lone) {
		_, meeting := l.ask("w")
		l.apply("w", leaseAnswer{Boot: "1", Age: old, Term: simLease / 2, Missed: 1}, l.fresh.now(), meeting)
		time.Sleep(simLease / 2)
		l.want("k", false, "the grantor counts only so long")
		l.apply("w", leaseAnswer{Boot: "1", Age: old, Term: time.Hour, Missed: 1}, l.fresh.now(), meeting+1)
		time.Sleep(simLease)
		l.want("k", false, "this node promises only so long")
	})
}

func TestSuspectAndDoubtsComeBeforeTheLeaseCounts(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		time.Sleep(simLease)
		before := l.cache.count("suspect")
		l.cache.during = func(event string) { l.want("other", false, "in the middle of "+event) }
		l.lease("1", old, 2, 1, openKey{1, []byte("k")})
		if l.cache.count("suspect") != before+1 || !l.cache.saw("changing k") {
			t.Error("a missed announcement must make everything suspect")
		}
		l.want("other", true, "resynchronised")
		l.want("k", false, "open")
		l.cache.during = nil
		l.lease("1", old, 2, 1, openKey{1, []byte("k")})
		if l.cache.count("suspect") != before+1 || l.cache.count("changing k") != 1 {
			t.Error("nothing new was said")
		}
	})
}

func TestChangedComesBeforeTheDoubtGoes(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.cache.during = func(event string) { l.want("k", false, "in the middle of "+event) }
		l.intent("1", 1, "k")
		l.done("1", 1, "k")
		l.want("k", true, "over")
		l.intent("1", 2, "k")
		l.lease("1", old, 1, 2)
		l.want("k", true, "over, the lease says")
	})
}

func TestKeyIsInDoubtAsLongAsAnyWriteOfItIsOpen(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.intent("1", 1, "k")
		l.intent("1", 2, "k")
		l.intent("1", 2, "k")
		l.done("1", 1, "k")
		l.done("1", 1, "k")
		l.want("k", false, "the second write is open")
		l.done("1", 2, "k")
		l.want("k", true, "both are over")
		before := l.cache.count("changed k")
		l.lease("1", old, 1, 2)
		l.done("1", 2, "k")
		if l.cache.count("changed k") != before {
			l.t.Error("what was fetched after the end was dropped again")
		}
	})
}

func TestIntentThatArrivesAfterItsEndDoesNotDoubtForEver(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.intent("1", 1, "k")
		l.done("1", 1, "k")
		l.intent("1", 1, "k")
		l.want("k", false, "the copy cannot be told from a new intent yet")
		l.lease("1", old, 1, 1)
		l.want("k", true, "the lease says that nothing is open")
		l.intent("1", 1, "k")
		l.want("k", true, "a copy of what the lease said is over")
	})
}

// An answer that was under way while a later intent arrived knows nothing of it, and must not end it.
func TestOlderLeaseAnswerLeavesNewerDoubtsAlone(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.intent("1", 7, "k")
		l.lease("1", old, 1, 6)
		l.want("k", false, "number 7 is newer than the answer")
	})
}

func TestIntentOfAnUnknownProcessEndsTheLeaseOfTheKnownOne(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.intent("2", 1, "k")
		l.want("other", false, "the new process may have written anything")
		l.lease("2", old, 1, 1, openKey{1, []byte("k")})
		l.want("other", true, "resynchronised")
		l.want("k", false, "open")
	})
}

// The old process grants and dies; the new one has its intent acknowledged; then the grant arrives.
func TestLateAnswerOfADeadProcessIsThrownAway(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		sent := l.fresh.now()
		_, meeting := l.ask("w")
		l.intent("2", 1, "k")
		late := leaseAnswer{Boot: "1", Age: old, Term: simLease, Missed: 1}
		if !l.apply("w", late, sent, meeting) {
			t.Error("the holder must ask again at once")
		}
		l.want("k", false, "its intent was acknowledged")
		l.want("other", false, "no lease of the new process")
	})
}

func TestEndFromAnUnknownProcessDropsTheEntryAndNothingElse(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.intent("1", 1, "k")
		l.done("0", 1, "k")
		l.want("k", false, "that was the end of another write")
		l.want("other", true, "the end of a write is no obligation")
		if l.cache.count("changed k") != 1 {
			t.Error("the entry was not dropped")
		}
	})
}

func TestNobodyIsFreshUntilTheOrphansOfADeadProcessHaveLanded(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.intent("1", 1, "k")
		age := simLanding / 2
		l.lease("2", age, 1, 0)
		if !l.cache.saw("changed k") {
			l.t.Error("a doubt of the dead process is left behind")
		}
		before := l.cache.count("suspect")
		time.Sleep(simLanding - age - time.Millisecond)
		l.lease("2", age+simLanding-age-time.Millisecond, 1, 0)
		l.want("other", false, "an orphan may land within the next millisecond")
		time.Sleep(age/clockMargin + time.Millisecond)
		l.lease("2", simLanding, 1, 0)
		l.want("other", true, "all have landed")
		if l.cache.count("suspect") != before+1 {
			l.t.Error("what was read before they landed must be suspect")
		}
	})
}

func TestRestartInGoodOrderIsSparedOnlyIfNobodyCameBetween(t *testing.T) {
	const soon = 10 * time.Millisecond
	for name, c := range map[string]struct {
		between func(l *lone)
		fresh   bool
	}{
		"closed, restarted at once": {func(l *lone) { l.left(farewell{"w", "1", true}) }, true},
		"killed":                    {func(l *lone) {}, false},
		"closed with a write open":  {func(l *lone) { l.left(farewell{"w", "1", false}) }, false},
		"another process closed":    {func(l *lone) { l.left(farewell{"w", "0", true}) }, false},
		"restarted after the lease": {func(l *lone) { l.left(farewell{"w", "1", true}); time.Sleep(simLease + soon) }, false},
		"a process in between":      {func(l *lone) { l.left(farewell{"w", "1", true}); l.intent("1.5", 1, "k") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			inHolder(t, func(l *lone) {
				l.lease("1", old, 1, 0)
				c.between(l)
				time.Sleep(soon)
				q := leaseRequest{From: "w", Boot: "2", Age: soon}
				if l.heir(q) != c.fresh {
					t.Error("wrong word to the new process about itself")
				}
				l.lease("2", soon, 1, 0)
				l.want("k", c.fresh, name)
				if l.heir(q) != c.fresh {
					t.Error("wrong word to the new process, once known")
				}
			})
		})
	}
}

// The age is counted by the peer's clock, which may be the faster one.
func TestAgeIsTakenWithTheClockMargin(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", simLanding, 1, 0)
		l.want("k", false, "by this clock it may be a hundredth younger")
		time.Sleep(simLanding / clockMargin)
		l.lease("1", simLanding, 1, 0)
		l.want("k", true, "old enough by any clock")
	})
}

// With no lease ever held from it there is nothing that a process in between would have outwaited.
func TestFirstMeetingIsNeverAHeir(t *testing.T) {
	inHolder(t, func(l *lone) {
		if l.heir(leaseRequest{From: "w", Boot: "1", Age: old}) {
			t.Error("nothing is known of this peer")
		}
		l.lease("1", time.Millisecond, 1, 0)
		l.want("k", false, "a predecessor may have died just now")
	})
}

func TestOwnOrphansAreWaitedForUnlessAPeerVouches(t *testing.T) {
	for _, heir := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newHolder([]Peer{{Name: "w"}}, Options{Lease: simLease, LandingTime: simLanding}, time.Now())
			cache := &recorder{}
			h.start(cache)
			a := leaseAnswer{Boot: "1", Age: old, Term: simLease, Missed: 1, Heir: heir}
			h.apply("w", a, h.fresh.now(), 0)
			if h.fresh.holds("k") != heir {
				t.Errorf("heir %v: fresh is %v at the start", heir, !heir)
			}
			before := cache.count("suspect")
			h.vouch()
			if !h.fresh.holds("k") || (cache.count("suspect") == before) != heir {
				t.Errorf("heir %v: wrong once all has landed", heir)
			}
		})
	}
}

func TestClosedHolderIsNeverFreshAgain(t *testing.T) {
	inHolder(t, func(l *lone) {
		l.lease("1", old, 1, 0)
		l.close()
		l.lease("1", old, 1, 0)
		l.vouch()
		l.want("k", false, "closed")
	})
}

// A call that was left running has told the cache nothing yet: acknowledging would be a lie.
func TestNoticeThatTheCacheMayNotKnowOfIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, cache := startedPair(t)
		hang := make(chan struct{})
		cache.during = func(string) { <-hang }
		answers := make(chan error, 2)
		for seq := range uint64(2) {
			m := encode(notice{From: "w", Boot: "1", Seq: seq + 1, Key: []byte("k")})
			go func() {
				_, err := n.receive([]string{"w"}, pathAnnounce, m)
				answers <- err
			}()
		}
		// Not synctest.Wait: the second waits for a mutex, which does not count as being at rest.
		for !cache.saw("changing k") {
			runtime.Gosched()
		}
		n.abandon(context.Canceled)
		for range 2 {
			if err := <-answers; !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		close(hang)
		synctest.Wait()
		if cache.count("changing k") != 1 {
			t.Error("the cache was told more after the node gave up")
		}
	})
}
