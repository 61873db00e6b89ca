package keyring

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestExportsShareTheCall with each other, and with who derives.
func TestExportsShareTheCall(t *testing.T) {
	for _, derives := range []int{0, 1} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, 0)
			k, _ := remoteKeyring(t, s, "tenant")
			s.with(func() { s.delay = time.Second })
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if _, err := k.Export(t.Context(), testProtector(t, 2), "tenant"); err != nil {
						t.Error(err)
					}
				})
			}
			for range derives {
				all.Go(func() {
					if _, err := k.Derive(t.Context(), keyID("tenant", 1), nil); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := s.questions(); n != 1 || s.crowded {
				t.Errorf("%d calls for one key, several at a time: %v", n, s.crowded)
			}
			if n := heldKeys(k); n != 1+derives {
				t.Errorf("%d keys in memory", n)
			}
			for _, key := range s.given[1+derives:] {
				if !bytes.Equal(key, make([]byte, KeySize)) {
					t.Error("what nobody holds is not wiped")
				}
			}
		})
	}
}

func TestExportEndsWithItsContextAndHeedsThePause(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		s.with(func() { s.delay = 10 * time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Export(ctx, testProtector(t, 2)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		s.with(func() { s.delay, s.err = 0, errOutage })
		s.questions()
		for range 9 {
			if _, err := k.Export(t.Context(), testProtector(t, 2)); !errors.Is(err, errOutage) {
				t.Error(err)
			}
		}
		if n := s.questions(); n != 1 {
			t.Errorf("%d calls to a service in trouble", n)
		}
	})
}

// TestKeysOfAServiceAreRescuedFromALostDocument, those too that are not in memory.
func TestKeysOfAServiceAreRescuedFromALostDocument(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, m := remoteKeyring(t, s, "tenant")
		want := mustDerive(t, openTest(t, m, s), keyID("tenant", 1))
		m.with(func() { m.doc = nil })
		time.Sleep(vainPause)
		if _, err := k.Derive(t.Context(), keyID("tenant", 1), nil); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		back, err := Restore(t.Context(), &memory{}, s, mustExport(t, k, testProtector(t, 2)), testProtector(t, 2))
		if err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		if mustDerive(t, back, keyID("tenant", 1)) != want {
			t.Error("another key")
		}
	})
}
