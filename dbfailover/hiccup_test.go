package dbfailover

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// sicken lets dials to the secondary fail with err while left is above zero.
func sicken(r *rig, err error) (left *atomic.Int64) {
	left = new(atomic.Int64)
	r.config.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "db2.") && left.Add(-1) >= 0 {
			return nil, err
		}
		return r.dial(ctx, addr)
	}
	return left
}

func TestOneBadCheckOfTheSecondaryDoesNotMeanThereIsNone(t *testing.T) {
	for name, hiccup := range map[string]error{
		"unclassified": errors.New("something new"), "refused": dialError(syscall.ECONNREFUSED),
		"timeout": context.DeadlineExceeded, "too many connections": answered(1040), "no socket": syscall.EMFILE,
	} {
		for _, timers := range []Timers{Fast, Careful} {
			t.Run(name+" "+timers.String(), func(t *testing.T) {
				inBubble(t, timers, func(t *testing.T, r *rig) {
					left := sicken(r, hiccup)
					r.start(t)
					r.mustBe(t, StatePrimary, "db1.test")
					hiccups := func() {
						left.Store(1)
						cutLines(r.servers[1])
						r.c.probers[Secondary].poke() // a check shall meet it, not the query
					}
					if timers == Careful { // just before the hold-off ends
						time.AfterFunc(1990*time.Millisecond, hiccups)
					} else {
						hiccups()
					}
					r.servers[0].kill()
					if name, err := r.where(t.Context()); err != nil || name != "db2.test" {
						t.Errorf("answered by %q (%v)", name, err)
					}
					if n := r.c.Status().Entered[StateDown]; n != 0 || left.Load() > 0 {
						t.Errorf("DOWN entered %d times; hiccups left: %d", n, left.Load())
					}
				})
			})
		}
	}
}

// cutLines ends a server's connections, so that its next check has to dial.
func cutLines(f *fake) {
	f.kill()
	f.restart()
}

func TestSecondaryThatStaysDoubtfulIsNotWaitedForTooLong(t *testing.T) {
	for _, timers := range []Timers{Fast, Careful} {
		inBubble(t, timers, func(t *testing.T, r *rig) {
			sicken(r, errors.New("something new")).Store(1 << 30)
			r.start(t)
			r.servers[0].kill()
			begin := time.Now()
			_, err := r.where(t.Context())
			if !errors.Is(err, ErrDown) || !strings.Contains(err.Error(), "*errors.errorString") {
				t.Errorf("got %v, want ErrDown and why", err)
			}
			if took := time.Since(begin); took >= r.c.timing.patience {
				t.Errorf("%v: waited %v", timers, took)
			}
		})
	}
}

// A host that is switched off answers no dial at all. Whoever waits for one must
// learn of the switch, or the query takes as long as the dial may.
func TestDialIntoTheVoidEndsWithTheSwitch(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		var void atomic.Bool
		r.config.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			if void.Load() && strings.HasPrefix(addr, "db1.") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return r.dial(ctx, addr)
		}
		r.start(t)
		void.Store(true)
		r.servers[0].freeze()
		begin := time.Now()
		r.mustBe(t, StatePrimary, "db2.test") // nobody has noticed when the query begins
		if took := time.Since(begin); took > time.Second {
			t.Errorf("answered after %v", took)
		}
		r.mustBe(t, StateSecondary, "")
	})
}

func TestVaultThatHangsDoesNotBlindTheChecks(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		var hangs atomic.Bool
		r.config.Credentials = func(ctx context.Context, s Server) (Credentials, error) {
			if hangs.Load() {
				<-ctx.Done()
				return Credentials{}, ctx.Err()
			}
			return fixed("app")(ctx, s)
		}
		r.start(t)
		hangs.Store(true)
		time.Sleep(credentialsAge + time.Second) // by now the checks are asking
		r.servers[0].kill()
		time.Sleep(time.Second)
		r.mustBe(t, StateSecondary, "")
		synctest.Wait()
	})
}
