package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

func TestGraceCoversAnOutageAndNoMore(t *testing.T) {
	for what, fail := range map[string]func(*service, *memory){
		"service": func(s *service, _ *memory) { s.with(func() { s.err = errOutage }) },
		"storage": func(_ *service, m *memory) { m.with(func() { m.loadErr = errOutage }) },
		"silence": func(s *service, _ *memory) { s.with(func() { s.delay = 24 * time.Hour }) },
		"garbage": func(_ *service, m *memory) { m.with(func() { m.doc = []byte("{}") }) },
	} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, testGrace)
			k, m := remoteKeyring(t, s)
			key := heldKey(k, id(1))
			fail(s, m)
			time.Sleep(testLifetime)
			for range testGrace / time.Second {
				mustDerive(t, k, id(1))
				time.Sleep(time.Second)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := k.Derive(ctx, id(1), nil); err == nil {
				t.Errorf("%s: derived after the grace", what)
			}
			synctest.Wait() // the timer is due now
			if !bytes.Equal(key, make([]byte, KeySize)) {
				t.Errorf("%s: not wiped", what)
			}
			if n := s.questions(); n > 25 { // 5 before the pause is 30 seconds
				t.Errorf("%s: %d calls in %v", what, n, testGrace)
			}
			if n := m.readSince(); n > 25 {
				t.Errorf("%s: %d readings in %v", what, n, testGrace)
			}
		})
	}
}

// TestRenewalKeepsNobodyWaiting has a service that takes ten seconds.
func TestRenewalKeepsNobodyWaiting(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, testGrace)
		k, _ := remoteKeyring(t, s)
		s.with(func() { s.delay = 10 * time.Second })
		want, old := mustDerive(t, k, id(1)), heldKey(k, id(1))
		time.Sleep(testLifetime)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := k.Derive(t.Context(), id(1), []byte("info")); got != want || err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
		time.Sleep(11 * time.Second)
		if got := mustDerive(t, k, id(1)); got != want || s.questions() != 1 {
			t.Error("another key, or more than one call")
		}
		if !bytes.Equal(old, make([]byte, KeySize)) {
			t.Error("the old key is still in memory beside the new one")
		}
		time.Sleep(testLifetime - time.Minute) // counted from the renewal
		mustDerive(t, k, id(1))
		if n := s.questions(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestServiceComesBackWithinTheGrace(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, testGrace)
		k, _ := remoteKeyring(t, s)
		s.with(func() { s.err = errOutage })
		time.Sleep(testLifetime)
		for range 4 {
			mustDerive(t, k, id(1))
			time.Sleep(time.Minute)
		}
		s.with(func() { s.err = nil })
		mustDerive(t, k, id(1))
		synctest.Wait()
		s.with(func() { s.err = errOutage })
		time.Sleep(testLifetime - time.Second)
		mustDerive(t, k, id(1))
	})
}

// TestRefusalWipesAtOnce, grace or not: somebody has withdrawn the key.
func TestRefusalWipesAtOnce(t *testing.T) {
	for _, refusal := range []error{ErrDenied, ErrProtector} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, testGrace)
			k, _ := remoteKeyring(t, s)
			key := heldKey(k, id(1))
			s.with(func() { s.err = fmt.Errorf("the key is disabled: %w", refusal) })
			time.Sleep(testLifetime)
			mustDerive(t, k, id(1)) // asks
			synctest.Wait()
			if _, err := k.Derive(t.Context(), id(1), nil); !errors.Is(err, refusal) {
				t.Errorf("%v: %v", refusal, err)
			}
			if !bytes.Equal(key, make([]byte, KeySize)) {
				t.Errorf("%v: not wiped", refusal)
			}
			if n := s.questions(); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestStorageThatRefusesSaysNothingOfTheKey even if it uses the same words.
func TestStorageThatRefusesSaysNothingOfTheKey(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		k, m := remoteKeyring(t, newService(t, testLifetime, testGrace))
		m.with(func() { m.loadErr = fmt.Errorf("bucket: %w", ErrDenied) })
		time.Sleep(testLifetime)
		for range 10 {
			mustDerive(t, k, id(1))
			synctest.Wait()
		}
	})
}

// TestOldDocumentGivesNoDestroyedKey: a process that has not heard of a
// destruction must not unwrap the key out of the document that it knows.
func TestOldDocumentGivesNoDestroyedKey(t *testing.T) {
	for _, grace := range []time.Duration{0, testGrace} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, grace)
			far, m := remoteKeyring(t, s, "used", "unused")
			here := openTest(t, m, s)
			mustDerive(t, far, keyID("used", 1))
			time.Sleep(time.Minute)
			for _, name := range []string{"used", "unused"} {
				if _, err := here.Destroy(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			s.questions()
			mustDerive(t, far, keyID("used", 1)) // it cannot know yet
			if _, err := far.Derive(t.Context(), keyID("unused", 1), nil); !errors.Is(err, envelope.ErrKeyDestroyed) {
				t.Errorf("never in memory: %v", err)
			}
			// That reading has shown the other one too.
			if _, err := far.Derive(t.Context(), keyID("used", 1), nil); !errors.Is(err, envelope.ErrKeyDestroyed) {
				t.Errorf("in memory: %v", err)
			}
			if n := s.questions(); n != 0 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestDestroyedKeyIsGoneEverywhereAfterLifetimeAndGrace: a process whose storage
// cannot be reached any more since the destruction, and which was about to
// unwrap, at any moment, has no key after that.
func TestDestroyedKeyIsGoneEverywhereAfterLifetimeAndGrace(t *testing.T) {
	for read := time.Duration(0); read <= testLifetime; read += testLifetime / 6 {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, testGrace)
			far, m := remoteKeyring(t, s, "tenant")
			here := openTest(t, m, s)
			time.Sleep(read)
			s.with(func() { s.delay = time.Second }) // it reads, the key is destroyed, it unwraps
			go far.Derive(t.Context(), keyID("tenant", 1), nil)
			synctest.Wait()
			if _, err := here.Destroy(t.Context(), "tenant"); err != nil {
				t.Fatal(err)
			}
			m.with(func() { m.loadErr = errOutage })
			destroyed := time.Now()
			for time.Since(destroyed) < testLifetime+testGrace {
				far.Derive(t.Context(), keyID("tenant", 1), nil)
				time.Sleep(time.Minute)
			}
			synctest.Wait()
			if _, err := far.Derive(t.Context(), keyID("tenant", 1), nil); err == nil || heldKey(far, keyID("tenant", 1)) != nil {
				t.Errorf("read %v after the start: still there", read)
			}
		})
	}
}

// TestOneReadingForManyKeys and one failed reading, too.
func TestOneReadingForManyKeys(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		k, m := remoteKeyring(t, newService(t, testLifetime, 0), names...)
		all := func() (failed int) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			for _, name := range names {
				wg.Go(func() {
					if _, err := k.Derive(t.Context(), keyID(name, 1), nil); err != nil {
						mu.Lock()
						defer mu.Unlock()
						failed++
					}
				})
			}
			wg.Wait()
			return failed
		}
		for range 3 {
			time.Sleep(testLifetime)
			if failed := all(); failed > 0 || m.readSince() != 1 {
				t.Errorf("%d failed, or more than one reading", failed)
			}
		}
		m.with(func() { m.loadErr = errOutage })
		time.Sleep(testLifetime)
		if failed, n := all(), m.readSince(); failed != len(names) || n != 1 {
			t.Errorf("%d failed after %d readings", failed, n)
		}
		m.with(func() { m.loadErr = nil })
		time.Sleep(firstPause)
		if failed := all(); failed > 0 {
			t.Errorf("%d failed after the outage", failed)
		}
	})
}
