package keyring

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

func TestOpenProvesTheProtectorWithOneCallAndKeepsTheKey(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		made, m := remoteKeyring(t, s, "tenant")
		made.Close()
		k := openTest(t, m, s)
		mustDerive(t, k, id(1))
		if n := s.questions(); n != 1 {
			t.Errorf("%d calls", n)
		}
		wrong := newService(t, testLifetime, 0)
		wrong.inner = testProtector(t, 2)
		if _, err := Open(t.Context(), m, wrong); !errors.Is(err, ErrProtector) {
			t.Error(err)
		}
		s.with(func() { s.err = errOutage })
		if _, err := Open(t.Context(), m, s); !errors.Is(err, errOutage) {
			t.Error(err)
		}
	})
}

// TestNewKeysAreOneCallAndStay also finds that a rotation proves the protector by
// what is in memory.
func TestNewKeysAreOneCallAndStay(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, err := Create(t.Context(), &memory{}, s)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		mustDerive(t, k, id(1))
		if wraps, made := s.calls(); wraps != 1 || made != 1 { // the check value; the key
			t.Errorf("creating took %d wraps, %d generations", wraps, made)
		}
		if got, err := k.Rotate(t.Context(), "tenant"); got != keyID("tenant", 1) || err != nil {
			t.Fatal(got, err)
		}
		mustDerive(t, k, keyID("tenant", 1))
		wraps, made := s.calls()
		if n := s.questions(); n != 0 || wraps != 1 || made != 1 {
			t.Errorf("rotating took %d unwraps, %d wraps, %d generations", n, wraps, made)
		}
		time.Sleep(testLifetime)
		synctest.Wait()
		if n := heldKeys(k); n != 0 {
			t.Errorf("%d keys are still in memory", n)
		}
	})
}

// TestChangedCiphertextIsNoProof rotates when what is in memory says nothing about
// the document: it was wrapped anew.
func TestChangedCiphertextIsNoProof(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, m := remoteKeyring(t, s)
		moved, err := k.Export(t.Context(), testProtector(t, 2))
		if err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.doc = moved })
		if _, err := k.Rotate(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrProtector) {
			t.Error(err)
		}
		if !bytes.Equal(m.stored(), moved) {
			t.Error("the document changed")
		}
		again, err := k.Export(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		s.questions()
		m.with(func() { m.doc = again })
		if _, err := k.Rotate(t.Context(), envelope.DefaultKey); err != nil {
			t.Error(err)
		}
		if n := s.questions(); n != 1 {
			t.Errorf("proved with %d calls", n)
		}
	})
}

func heldKeys(k *Keyring) int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.keys)
}

func heldKey(k *Keyring, id envelope.KeyID) []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if h := k.keys[id]; h != nil {
		return h.key()
	}
	return nil
}

func TestIdleProcessForgetsAfterTheLifetime(t *testing.T) {
	for _, grace := range []time.Duration{0, testGrace} {
		testbed.Bubble(t, func(t *testing.T) {
			k, _ := remoteKeyring(t, newService(t, testLifetime, grace))
			key := heldKey(k, id(1))
			if len(key) != KeySize || bytes.Equal(key, make([]byte, KeySize)) {
				t.Fatalf("%x", key)
			}
			time.Sleep(testLifetime + grace - time.Nanosecond)
			if heldKeys(k) != 1 {
				t.Error("forgotten too early")
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if heldKeys(k) != 0 || !bytes.Equal(key, make([]byte, KeySize)) {
				t.Errorf("%d keys in memory, %x", heldKeys(k), key)
			}
		})
	}
}

// TestOutageIsInvisibleWhileAKeyIsInMemory for storage and service.
func TestOutageIsInvisibleWhileAKeyIsInMemory(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, m := remoteKeyring(t, s)
		s.with(func() { s.err = errOutage })
		m.with(func() { m.loadErr = errOutage })
		for range 59 {
			time.Sleep(time.Minute)
			mustDerive(t, k, id(1))
		}
		if n := s.questions(); n != 0 {
			t.Errorf("%d calls", n)
		}
		time.Sleep(time.Minute)
		if _, err := k.Derive(t.Context(), id(1), nil); !errors.Is(err, errOutage) {
			t.Error(err)
		}
	})
}

func TestOneGoodAnswerInALifetime(t *testing.T) {
	for _, grace := range []time.Duration{0, testGrace} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, grace)
			k, m := remoteKeyring(t, s, "a", "b", "c")
			want := mustDerive(t, k, keyID("a", 1))
			s.questions()
			m.readSince()
			for range 10 * 60 {
				time.Sleep(time.Minute)
				for _, name := range []string{"a", "b", "c"} {
					if got := mustDerive(t, k, keyID(name, 1)); name == "a" && got != want {
						t.Fatal("another key")
					}
				}
				synctest.Wait()
			}
			if n := s.questions(); n > 3*10 || n < 3*9 {
				t.Errorf("grace %v: %d calls in ten lifetimes of three keys", grace, n)
			}
			if n := m.readSince(); n > 2*10 {
				t.Errorf("grace %v: %d readings", grace, n)
			}
		})
	}
}

func TestUnusableLifetimesAreRefused(t *testing.T) {
	for _, l := range [][2]time.Duration{{0, 0}, {-1, 0}, {time.Hour, -1}} {
		m := &memory{}
		s := newService(t, l[0], l[1])
		if _, err := Create(t.Context(), m, s); !errors.Is(err, ErrInvalid) || m.stored() != nil {
			t.Errorf("create, %v: %v", l, err)
		}
		if _, err := Open(t.Context(), m, s); !errors.Is(err, ErrInvalid) {
			t.Errorf("open, %v: %v", l, err)
		}
	}
	if _, err := Open(t.Context(), nil, testProtector(t, 1)); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := Open(t.Context(), &memory{}, nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}
