package dbfailover

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestQueryThatFindsThePrimaryDeadIsAnsweredByTheSecondary(t *testing.T) {
	for timers, limit := range map[Timers]time.Duration{Fast: 50 * time.Millisecond, Careful: 3 * time.Second} {
		t.Run(timers.String(), func(t *testing.T) {
			inBubble(t, timers, func(t *testing.T, r *rig) {
				r.start(t)
				for range 10 {
					r.mustBe(t, StatePrimary, "db1.test")
					time.Sleep(1234 * time.Millisecond)
					r.servers[0].kill()
					begin := time.Now()
					r.mustBe(t, StatePrimary, "db2.test") // nobody has noticed when the query begins
					if took := time.Since(begin); took > limit {
						t.Errorf("took %v, want at most %v", took, limit)
					}
					r.mustBe(t, StateSecondary, "db2.test")
					r.servers[0].restart()
					if err := r.c.Switch(t.Context(), Primary); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// The same outside the bubble: the one place without a database server where the
// whole connector also runs in FIPS mode.
func TestFailoverInRealTime(t *testing.T) {
	r := newRig(t, Fast)
	defer r.stop()
	r.open(t)
	if err := r.c.Switch(t.Context(), Secondary); err != nil { // waits for a check
		t.Fatal(err)
	}
	if err := r.c.Switch(t.Context(), Primary); err != nil {
		t.Fatal(err)
	}
	r.mustBe(t, StatePrimary, "db1.test")
	r.servers[0].kill()
	if name, err := r.where(t.Context()); err != nil || name != "db2.test" {
		t.Fatalf("answered by %q (%v)", name, err)
	}
	r.mustBe(t, StateSecondary, "db2.test")
}

func TestRestartWithinTheHoldOffCausesNoSwitch(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.start(t)
		r.mustBe(t, StatePrimary, "db1.test")
		r.servers[0].kill()
		time.AfterFunc(1500*time.Millisecond, r.servers[0].restart)
		r.mustBe(t, StatePrimary, "db1.test")
		time.Sleep(time.Minute)
		r.mustBe(t, StatePrimary, "db1.test")
		if s := r.c.Status(); s.Epoch != 1 || s.Entered[StateSuspect] != 1 {
			t.Errorf("epoch %d, %d suspicions, want 1 and 1", s.Epoch, s.Entered[StateSuspect])
		}
	})
}

func TestSilentPrimaryIsLeftAndItsHungStatementFreedWithoutARetry(t *testing.T) {
	for timers, limit := range map[Timers]time.Duration{Fast: time.Second, Careful: 6 * time.Second} {
		t.Run(timers.String(), func(t *testing.T) {
			inBubble(t, timers, func(t *testing.T, r *rig) {
				r.start(t)
				r.mustBe(t, StatePrimary, "db1.test")
				r.servers[0].freeze()
				begin := time.Now()
				_, err := r.db.Exec("UPDATE patient SET x = x + 1")
				if took := time.Since(begin); took > limit {
					t.Errorf("freed after %v, want at most %v", took, limit)
				}
				if !errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) {
					t.Errorf("got %v, want invalid connection and no licence to retry", err)
				}
				r.mustBe(t, StateSecondary, "db2.test")
				for _, s := range r.servers[1].statements() {
					if strings.HasPrefix(s, "UPDATE") {
						t.Error("a statement that had been sent was sent again elsewhere")
					}
				}
			})
		})
	}
}

func TestServerThatAnswersIsNeverSwitchedAwayFrom(t *testing.T) {
	for _, errno := range []uint16{1040, 1044, 1045, 1049, 1129, 1203, 1226, 1290, 9999} {
		inBubble(t, Fast, func(t *testing.T, r *rig) {
			r.start(t)
			r.mustBe(t, StatePrimary, "db1.test")
			r.servers[0].set(func(f *fake) { f.errno = errno })
			// The old connections go, so that only refusals are left to be seen.
			r.servers[0].kill()
			r.servers[0].restart()
			time.Sleep(time.Minute)
			var refusal *mysql.MySQLError
			if _, err := r.where(t.Context()); !errors.As(err, &refusal) || refusal.Number != errno {
				t.Errorf("%d: the application gets %v", errno, err)
			}
			if s := r.c.Status(); s.Epoch != 1 || s.State != StatePrimary || s.Servers[Primary].Health != HealthRefusing {
				t.Errorf("%d: state %v, epoch %d, health %v", errno, s.State, s.Epoch, s.Servers[Primary].Health)
			}
			if strings.Contains(r.log.String(), "PATIENT") {
				t.Errorf("%d: a server's message is in the log", errno)
			}
		})
	}
}

// The connection of the checks is one of those that fill the server up; giving
// it back before asking for the next would hide that nobody else gets in.
func TestFullServerIsSeenAsFull(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		held, err := r.c.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		r.servers[0].set(func(f *fake) { f.limit = 2 })
		seen := false
		for range 100 {
			time.Sleep(50 * time.Millisecond)
			seen = seen || r.c.Status().Servers[Primary].Reason == "server error 1040"
		}
		if s := r.c.Status(); !seen || s.Epoch != 1 || s.Entered[StateSuspect] != 0 {
			t.Errorf("1040 seen: %v, epoch %d, %d suspicions", seen, s.Epoch, s.Entered[StateSuspect])
		}
	})
}

func TestCertificateThatDoesNotVerifyIsRefusedAndNoReasonToSwitch(t *testing.T) {
	for name, issue := range map[string]func(*testing.T, *rig) *fake{
		"expired": func(t *testing.T, r *rig) *fake {
			return &fake{tls: r.ca.ExpiredLeaf(t, "db1.test").ServerTLS()}
		},
		"other name": func(t *testing.T, r *rig) *fake {
			return &fake{tls: r.ca.Leaf(t, "db2.test").ServerTLS()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Fast, func(t *testing.T, r *rig) {
				bad := issue(t, r).tls
				r.servers[0].set(func(f *fake) { f.tls = bad })
				r.start(t)
				time.Sleep(time.Minute)
				_, err := r.where(t.Context())
				if health, reason := judge(err); health != HealthRefusing || reason != "certificate does not verify" {
					t.Errorf("the application gets %v (%v, %s)", err, health, reason)
				}
				r.mustBe(t, StatePrimary, "")
			})
		})
	}
}

func TestSecondaryIsStickyUntilAnOperatorSwitches(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		r.servers[0].kill()
		time.Sleep(time.Second)
		r.mustBe(t, StateSecondary, "db2.test")

		if err := r.c.Switch(t.Context(), Primary); err == nil {
			t.Error("switched to a dead server")
		}
		r.servers[0].restart()
		time.Sleep(3 * time.Minute)
		r.mustBe(t, StateSecondary, "db2.test")

		// The secondary dies as well: still nobody goes back without being told.
		r.servers[1].kill()
		time.Sleep(time.Minute)
		if _, err := r.where(t.Context()); !errors.Is(err, ErrDown) {
			t.Errorf("got %v, want ErrDown", err)
		}
		if err := r.c.Switch(t.Context(), Primary); err != nil {
			t.Fatal(err)
		}
		r.mustBe(t, StatePrimary, "db1.test")
		if s := r.c.Status(); s.Epoch != 3 {
			t.Errorf("epoch %d after two switches, want 3", s.Epoch)
		}
	})
}

func TestBothDownFailsAtOnceAndRecoversByItself(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.servers[0].kill()
		r.servers[1].kill()
		r.open(t)
		if _, err := r.where(t.Context()); !errors.Is(err, ErrDown) {
			t.Fatalf("got %v, want ErrDown", err)
		}
		begin := time.Now()
		if _, err := r.where(t.Context()); !errors.Is(err, ErrDown) || time.Since(begin) != 0 {
			t.Errorf("got %v after %v, want ErrDown at once", err, time.Since(begin))
		}
		// A power cut ends: the secondary is up first, the primary a second later.
		r.servers[1].restart()
		time.AfterFunc(time.Second, r.servers[0].restart)
		time.Sleep(time.Minute)
		r.mustBe(t, StatePrimary, "db1.test")
		if s := r.c.Status(); s.Epoch != 1 {
			t.Errorf("epoch %d, want 1", s.Epoch)
		}
	})
}

func TestCallersContextEndsTheWaitAndIsNoEvidence(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.start(t)
		r.servers[0].freeze()
		r.servers[1].freeze()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := r.where(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the caller's deadline", err)
		}
		if took := time.Since(begin); took != 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		r.servers[0].restart()
		r.servers[1].restart()
		time.Sleep(time.Second)
		r.mustBe(t, StatePrimary, "db1.test")
		if n := r.c.Status().Entered[StateSuspect]; n > 1 {
			t.Errorf("%d suspicions", n)
		}
	})
}

func TestPooledConnectionsOfAnEarlierEpochAreTurnedAway(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		inner, err := r.c.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer inner.Close()
		c := inner.(*conn)
		if err := c.ResetSession(t.Context()); err != nil || !c.IsValid() {
			t.Fatalf("a current connection: %v, valid %v", err, c.IsValid())
		}
		if err := r.c.Switch(t.Context(), Secondary); err != nil {
			t.Fatal(err)
		}
		if err := c.ResetSession(t.Context()); err != driver.ErrBadConn || c.IsValid() {
			t.Errorf("after a switch: %v, valid %v", err, c.IsValid())
		}
		if n := r.c.Status().Servers[Primary].Connections; n != 0 {
			t.Errorf("%d connections to the old server are left", n)
		}
		r.mustBe(t, StateSecondary, "db2.test")
	})
}

func TestHundredsOfSwitchesLeaveNoSocketBehind(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		for i := range 300 {
			to := Role(i+1) % 2
			if err := r.c.Switch(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			if name, err := r.where(t.Context()); err != nil || name != r.servers[to].name {
				t.Fatalf("switch %d: answered by %q (%v)", i, name, err)
			}
		}
		s := r.c.Status()
		if s.Epoch != 301 || s.Servers[Primary].Connections+s.Servers[Secondary].Connections > 1 {
			t.Errorf("epoch %d, connections %v", s.Epoch, s.Servers)
		}
		synctest.Wait()
		for _, f := range r.servers {
			f.mu.Lock()
			if len(f.conns) > 2 { // one of the checks, one of the application
				t.Errorf("%s has %d connections open", f.name, len(f.conns))
			}
			f.mu.Unlock()
		}
	})
}

func TestCloseEndsWaitersAndLeavesNothingRunning(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.start(t)
		r.servers[0].freeze()
		r.servers[1].freeze()
		time.Sleep(time.Second) // SUSPECT: a Connect waits now
		waited := make(chan error)
		go func() {
			_, err := r.c.Connect(context.Background())
			waited <- err
		}()
		synctest.Wait()
		if err := r.c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-waited; err != ErrClosed {
			t.Errorf("the waiting Connect got %v", err)
		}
		if _, err := r.c.Connect(t.Context()); err != ErrClosed {
			t.Errorf("a later Connect got %v", err)
		}
		if err := r.c.Switch(t.Context(), Secondary); err != ErrClosed {
			t.Errorf("a later Switch got %v", err)
		}
		if err := r.c.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
}

func TestNobodyGetsInAfterClose(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		var asked atomic.Int64
		r.config.Credentials = func(ctx context.Context, s Server) (Credentials, error) {
			asked.Add(1)
			return fixed("app")(ctx, s)
		}
		r.start(t)
		if err := r.c.Close(); err != nil {
			t.Fatal(err)
		}
		before := asked.Load()
		for range 50 { // both servers are well: nothing but Close is in the way
			if _, err := r.c.Connect(context.Background()); err != ErrClosed {
				t.Fatalf("Connect: %v", err)
			}
		}
		if n := asked.Load() - before; n != 0 {
			t.Errorf("%d logins were begun after Close", n)
		}
	})
}
