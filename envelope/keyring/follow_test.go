package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// listener is a follower that remembers.
type listener struct {
	mu    sync.Mutex
	heard [][]envelope.KeyID
	err   error
}

func (l *listener) follow(_ context.Context, ids []envelope.KeyID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, ids)
	return l.err
}

// since is what was heard since it was last asked.
func (l *listener) since() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := fmt.Sprint(l.heard)
	l.heard = nil
	return heard
}

func (l *listener) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// farKeyring is another process's keyring over the same document, with followers.
func farKeyring(t *testing.T, m *memory, p Protector, followers ...Follower) *Keyring {
	t.Helper()
	k := openTest(t, m, p)
	for _, f := range followers {
		k.Follow(f)
	}
	return k
}

func TestReloadWipesAndTellsOnceWhatWasDestroyedElsewhere(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		here, m := tenantKeyring(t, p)
		var good, bad listener
		far := farKeyring(t, m, p, good.follow, bad.follow)
		mustDerive(t, far, keyID("tenant", 2))
		key := heldKey(far, keyID("tenant", 2))
		if err := far.Reload(t.Context()); err != nil || good.since() != "[]" {
			t.Fatalf("nothing is destroyed: %v", err)
		}
		mustDestroy(t, here, "tenant")
		mustDerive(t, far, keyID("tenant", 2)) // it cannot know yet
		bad.fail(errOutage)
		if err := far.Reload(t.Context()); !errors.Is(err, errOutage) {
			t.Errorf("%v", err)
		}
		if !bytes.Equal(key, make([]byte, KeySize)) {
			t.Error("not wiped")
		}
		answersDestroyed(t, far)
		const both = "[[tenant/1 tenant/2]]"
		if got := good.since(); got != both {
			t.Errorf("told of %v", got)
		}
		if got := bad.since(); got != both {
			t.Errorf("told of %v", got)
		}
		bad.fail(nil)
		for range 2 {
			if err := far.Reload(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := bad.since(); got != both {
			t.Errorf("who failed was told of %v", got)
		}
		if got := good.since(); got != "[]" {
			t.Errorf("told twice: %v", got)
		}
	})
}

// TestProcessThatWasAwayIsToldAtItsFirstReload: its cache on disk may still hold
// what was sealed under the key.
func TestProcessThatWasAwayIsToldAtItsFirstReload(t *testing.T) {
	here, m := tenantKeyring(t, testProtector(t, 1))
	mustDestroy(t, here, "tenant")
	var l listener
	far := farKeyring(t, m, testProtector(t, 1), l.follow)
	for _, want := range []string{"[[tenant/1 tenant/2]]", "[]"} {
		if err := far.Reload(t.Context()); err != nil || l.since() != want {
			t.Errorf("want %v, %v", want, err)
		}
	}
}

// TestAnyReadingTells: one for an unknown key, for a rotation, and before a key is
// unwrapped again.
func TestAnyReadingTells(t *testing.T) {
	for what, read := range map[string]func(*testing.T, *Keyring){
		"unknown key": func(t *testing.T, k *Keyring) { k.Derive(t.Context(), keyID("nobody", 1), nil) },
		"rotation":    func(t *testing.T, k *Keyring) { k.Rotate(t.Context(), "next") },
		"lifetime": func(t *testing.T, k *Keyring) {
			time.Sleep(testLifetime)
			k.Derive(t.Context(), id(1), nil)
		},
		"export": func(t *testing.T, k *Keyring) { k.Export(t.Context(), testProtector(t, 2)) },
		"import": func(t *testing.T, k *Keyring) {
			doc, _ := k.current().doc.encode()
			k.Import(t.Context(), doc, testProtector(t, 1))
		},
		"a destruction that fails": func(t *testing.T, k *Keyring) { k.Destroy(t.Context(), "nobody") },
	} {
		testbed.Bubble(t, func(t *testing.T) {
			s := newService(t, testLifetime, testGrace)
			here, m := tenantKeyring(t, s)
			var l listener
			far := farKeyring(t, m, s, l.follow)
			mustDerive(t, far, keyID("tenant", 2))
			key := heldKey(far, keyID("tenant", 2))
			time.Sleep(vainPause)
			mustDestroy(t, here, "tenant")
			read(t, far)
			synctest.Wait()
			if got := l.since(); got != "[[tenant/1 tenant/2]]" {
				t.Errorf("%s: told of %v", what, got)
			}
			if !bytes.Equal(key, make([]byte, KeySize)) {
				t.Errorf("%s: not wiped", what)
			}
		})
	}
}

// TestNameDestroyedElsewhereIsNotUsedAgain by a process that has not heard of it.
func TestNameDestroyedElsewhereIsNotUsedAgain(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		here, m := tenantKeyring(t, p)
		far := farKeyring(t, m, p)
		mustDestroy(t, here, "tenant")
		before := m.stored()
		if got, err := far.Rotate(t.Context(), "tenant"); !errors.Is(err, envelope.ErrKeyDestroyed) || !bytes.Equal(m.stored(), before) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// TestDestructionIsHeardEvenIfNewKeysCannotBeHad: the secret is closed, so that a
// key added elsewhere cannot be unwrapped. What was destroyed is, all the same.
func TestDestructionIsHeardEvenIfNewKeysCannotBeHad(t *testing.T) {
	here, m := tenantKeyring(t, testProtector(t, 1))
	secret := NewSecret(bytes.Repeat([]byte{1}, KeySize))
	p, err := Raw(secret)
	if err != nil {
		t.Fatal(err)
	}
	var l listener
	far := farKeyring(t, m, p, l.follow)
	secret.Close()
	if _, err := here.Rotate(t.Context(), "next"); err != nil {
		t.Fatal(err)
	}
	mustDestroy(t, here, "tenant")
	if err := far.Reload(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	answersDestroyed(t, far)
	mustDerive(t, far, id(1))
	if got := l.since(); got != "[[tenant/1 tenant/2]]" {
		t.Errorf("told of %v", got)
	}
}

// TestFollowerMayUseTheKeyring as a cache does that wraps its keys with it.
func TestFollowerMayUseTheKeyring(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		k, _ := tenantKeyring(t, p)
		called := false
		k.Follow(func(ctx context.Context, ids []envelope.KeyID) error {
			called = true
			_, destroyed := k.Derive(ctx, ids[0], nil)
			_, unknown := k.Latest(ctx, "nobody") // reads the document
			rotated, err := k.Rotate(ctx, envelope.DefaultKey)
			if !errors.Is(destroyed, envelope.ErrKeyDestroyed) || !errors.Is(unknown, envelope.ErrKeyUnknown) || rotated != id(2) {
				return fmt.Errorf("%v, %v, %v, %v", destroyed, unknown, rotated, err)
			}
			return nil
		})
		if d := mustDestroy(t, k, "tenant"); d.Err() != nil || !called {
			t.Error(d.Err())
		}
	})
}

func TestCloseEndsAFollowerInTheBackground(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		here, m := tenantKeyring(t, testProtector(t, 1))
		var ended error
		far := farKeyring(t, m, testProtector(t, 1), func(ctx context.Context, _ []envelope.KeyID) error {
			<-ctx.Done()
			ended = ctx.Err()
			return ended
		})
		mustDestroy(t, here, "tenant")
		far.Derive(t.Context(), keyID("nobody", 1), nil)
		synctest.Wait()
		far.Close()
		if !errors.Is(ended, context.Canceled) {
			t.Errorf("closed while a follower was at it: %v", ended)
		}
	})
}

// TestFollowerThatHangsHoldsUpNobody but those who ask for its answer, and those
// have contexts.
func TestFollowerThatHangsHoldsUpNobody(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		here, m := tenantKeyring(t, testProtector(t, 1))
		var other listener
		far := farKeyring(t, m, testProtector(t, 1), func(ctx context.Context, _ []envelope.KeyID) error {
			<-ctx.Done()
			return ctx.Err()
		}, other.follow)
		mustDestroy(t, here, "tenant")
		begin := time.Now()
		far.Latest(t.Context(), "nobody")
		mustDerive(t, far, id(1))
		if _, err := far.Rotate(t.Context(), envelope.DefaultKey); err != nil || time.Since(begin) != 0 {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := far.Reload(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if got := other.since(); got != "[[tenant/1 tenant/2]]" {
			t.Errorf("the other follower heard of %v", got)
		}
	})
}

func TestOlderDocumentIsNoticedAndTheStateKept(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		k, m := tenantKeyring(t, p)
		alive := m.stored()
		mustDestroy(t, k, "tenant")
		newest := m.stored()
		older := map[string][]byte{"a destroyed key is back": alive}
		d := k.current().doc
		d.Keys = d.named(envelope.DefaultKey)
		older["a tombstone is missing"], _ = d.encode()
		d.Keys = k.current().doc.named("tenant")
		older["a key is missing"], _ = d.encode()
		for what, doc := range older {
			m.with(func() { m.doc = doc })
			if err := k.Reload(t.Context()); !errors.Is(err, ErrRolledBack) {
				t.Errorf("%s: reload: %v", what, err)
			}
			if _, err := k.Rotate(t.Context(), "next"); !errors.Is(err, ErrRolledBack) {
				t.Errorf("%s: rotate: %v", what, err)
			}
			answersDestroyed(t, k)
			mustDerive(t, k, id(1))
			if !bytes.Equal(m.stored(), doc) {
				t.Errorf("%s: the document changed", what)
			}
		}
		rescued, err := k.Export(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Restore(t.Context(), &memory{}, p, rescued, p)
		if err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		answersDestroyed(t, back)
		if mustDerive(t, back, id(1)) != mustDerive(t, k, id(1)) {
			t.Error("another key came back")
		}
		m.with(func() { m.doc = newest })
		if err := k.Reload(t.Context()); err != nil {
			t.Errorf("the newer one is there again: %v", err)
		}
	})
}

// TestDestroyAndRotateOfTwoProcessesLoseNothing over one file.
func TestDestroyAndRotateOfTwoProcessesLoseNothing(t *testing.T) {
	_, path := testKeyring(t)
	names := []string{"a", "b", "c", "d"}
	var wg sync.WaitGroup
	for _, name := range names {
		k := openTest(t, File(path), testProtector(t, 1))
		wg.Go(func() {
			for step := 0; step < 3; {
				var err error
				if step < 2 {
					_, err = k.Rotate(t.Context(), name)
				} else {
					_, err = k.Destroy(t.Context(), name)
				}
				switch {
				case err == nil:
					step++
				case !errors.Is(err, ErrChanged):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	k := openTest(t, File(path), testProtector(t, 1))
	ids, _ := k.Tombstones()
	for _, name := range names {
		if !slices.Contains(ids, keyID(name, 1)) || !slices.Contains(ids, keyID(name, 2)) {
			t.Errorf("%q: %v", name, ids)
		}
	}
	if left, _ := k.Keys(); !slices.Equal(left, []envelope.KeyID{id(1)}) {
		t.Errorf("left are %v", left)
	}
}
