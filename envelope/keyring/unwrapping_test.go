package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

func mustDerive(t *testing.T, k *Keyring, id envelope.KeyID) [envelope.DerivedKeySize]byte {
	t.Helper()
	out, err := k.Derive(t.Context(), id, []byte("info"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestManyCallersMakeOneCall(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay = 5 * time.Second })
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if _, err := k.Derive(t.Context(), keyID("tenant", 1), nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.questions(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestOneCallersEndDoesNotFailTheOthers(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay = 10 * time.Second })
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, second := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := k.Derive(impatient, keyID("tenant", 1), nil)
			first <- err
		}()
		synctest.Wait() // the impatient one has asked
		go func() {
			_, err := k.Derive(t.Context(), keyID("tenant", 1), nil)
			second <- err
		}()
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}
		if n := s.questions(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestNothingGoesOnWhenNobodyWaits(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay = 10 * time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Derive(ctx, keyID("tenant", 1), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		s.with(func() {
			if s.ended != 1 || s.asking[keyID("tenant", 1)] != 0 {
				t.Errorf("the call goes on: %+v", s.asking)
			}
		})
		s.with(func() { s.delay = 0 })
		mustDerive(t, k, keyID("tenant", 1)) // at once: nobody's failure is nobody's pause
	})
}

// TestAbandonedCallIsWaitedForByWhoComesNext has a service that does not hear
// contexts. Its answer comes though nobody waits, and must not be asked for twice.
func TestAbandonedCallIsWaitedForByWhoComesNext(t *testing.T) {
	for _, test := range []struct {
		first error
		calls int
	}{{nil, 1}, {errOutage, 2}} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, 0)
			k, _ := remoteKeyring(t, s, "tenant")
			s.with(func() { s.delay, s.deaf, s.first = 10*time.Second, true, test.first })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := k.Derive(ctx, keyID("tenant", 1), nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			mustDerive(t, k, keyID("tenant", 1))
			if n := s.questions(); n != test.calls || s.crowded {
				t.Errorf("first %v: %d calls, two at a time: %v", test.first, n, s.crowded)
			}
		})
	}
}

func TestCallThatDoesNotReturnNormallyStrandsNobody(t *testing.T) {
	for name, answer := range map[string]func() ([]byte, error){
		"panic":    func() ([]byte, error) { panic(fmt.Sprint("key ", 0xDEADBEEF)) },
		"bug":      func() ([]byte, error) { none := make([]byte, 0); return none[len(none) : len(none)+1], nil },
		"goexit":   func() ([]byte, error) { runtime.Goexit(); return nil, nil },
		"short":    func() ([]byte, error) { return make([]byte, 16), nil },
		"long":     func() ([]byte, error) { return make([]byte, 64), nil },
		"nil, nil": func() ([]byte, error) { return nil, nil },
	} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, 0)
			k, _ := remoteKeyring(t, s, "tenant")
			s.with(func() { s.answer = answer })
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					_, err := k.Derive(t.Context(), keyID("tenant", 1), nil)
					if err == nil || strings.Contains(err.Error(), fmt.Sprint(0xDEADBEEF)) {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wg.Wait()
			if n := s.questions(); n != 1 {
				t.Errorf("%s: %d calls", name, n)
			}
			s.with(func() { s.answer = nil })
			time.Sleep(firstPause)
			mustDerive(t, k, keyID("tenant", 1))
		})
	}
}

// TestFailuresAreSharedAndNoStampede has a hundred callers a second for two minutes.
func TestFailuresAreSharedAndNoStampede(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.err = errOutage })
		begin := time.Now()
		for time.Since(begin) < 2*time.Minute {
			if _, err := k.Derive(t.Context(), keyID("tenant", 1), nil); !errors.Is(err, errOutage) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		var at []int
		for _, asked := range s.asked {
			at = append(at, int(asked.Sub(begin)/time.Second))
		}
		if got := fmt.Sprint(at); got != "[0 1 3 7 15 31 61 91]" {
			t.Errorf("asked after %v seconds", got)
		}
		mustDerive(t, k, id(1)) // of another key the failure says nothing
		s.with(func() { s.err = nil })
		time.Sleep(longestPause)
		mustDerive(t, k, keyID("tenant", 1))
	})
}

func TestSilentServiceIsGivenUp(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay = 24 * time.Hour })
		_, err := k.Derive(t.Context(), keyID("tenant", 1), nil)
		if !errors.Is(err, errNoAnswer) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v; the caller's context has no deadline", err)
		}
	})
}

// TestAnswerAfterTheLifetimeIsAnError and not a reason to ask for ever.
func TestAnswerAfterTheLifetimeIsAnError(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, time.Second, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay = 2 * time.Second })
		if _, err := k.Derive(t.Context(), keyID("tenant", 1), nil); !errors.Is(err, errTooLate) {
			t.Error(err)
		}
		if n := s.questions(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestCloseEndsWhatIsGoingOn(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay = 10 * time.Second })
		key := heldKey(k, id(1))
		done := make(chan error, 1)
		go func() {
			_, err := k.Derive(t.Context(), keyID("tenant", 1), nil)
			done <- err
		}()
		synctest.Wait()
		begin := time.Now()
		k.Close()
		s.with(func() {
			if s.asking[keyID("tenant", 1)] != 0 {
				t.Error("a call outlives the keyring")
			}
		})
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if time.Since(begin) != 0 || !bytes.Equal(key, make([]byte, KeySize)) {
			t.Errorf("closed after %v, %x", time.Since(begin), key)
		}
		k.Close()
	})
}

// TestCloseStrandsNobodyWhileAServiceIsDeaf: Close has to wait for such a call, and
// those who asked for it have not.
func TestCloseStrandsNobodyWhileAServiceIsDeaf(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay, s.deaf = time.Hour, true })
		done := make(chan error, 1)
		go func() {
			_, err := k.Derive(t.Context(), keyID("tenant", 1), nil)
			done <- err
		}()
		synctest.Wait()
		begin := time.Now()
		go k.Close()
		if err := <-done; !errors.Is(err, ErrClosed) || time.Since(begin) != 0 {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// TestLateAnswerLeavesNoKeyBehind in a keyring that closed meanwhile.
func TestLateAnswerLeavesNoKeyBehind(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		late := bytes.Repeat([]byte{9}, KeySize)
		s.with(func() {
			s.delay, s.deaf = 5*time.Second, true
			s.answer = func() ([]byte, error) { return late, nil }
		})
		go k.Derive(t.Context(), keyID("tenant", 1), nil)
		synctest.Wait()
		k.Close()
		if !bytes.Equal(late, make([]byte, KeySize)) {
			t.Errorf("%x", late)
		}
	})
}
