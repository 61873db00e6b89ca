package keyring

import (
	"bytes"
	"context"
	"errors"
	"math"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

// TestWhatCouldNotBeReachedIsSaidAndReachedLater has followers fail in every way.
func TestWhatCouldNotBeReachedIsSaidAndReachedLater(t *testing.T) {
	k, m := tenantKeyring(t, testProtector(t, 1))
	errPeer, errBucket := errors.New("a peer is away"), errors.New("no right to delete")
	var calls atomic.Int32
	healed := false
	for _, fail := range []func() error{
		func() error { return errPeer },
		func() error { panic("at the disco") },
		func() error { runtime.Goexit(); return nil },
		func() error { return nil },
	} {
		k.Follow(func(_ context.Context, ids []envelope.KeyID) error {
			if calls.Add(1); len(ids) != 2 {
				t.Errorf("told of %v", ids)
			}
			if healed {
				return nil
			}
			return fail()
		})
	}
	m.with(func() { m.removing = errBucket })
	d := mustDestroy(t, k, "tenant")
	if calls.Swap(0) != 4 || len(d.Unreached) != 4 || len(d.Destroyed) != 2 {
		t.Fatalf("not all were called: %+v", d)
	}
	if err := d.Err(); !errors.Is(err, errPeer) || !errors.Is(err, errBucket) {
		t.Errorf("%v", err)
	}
	saves := m.saves
	m.with(func() { m.removing = nil })
	healed = true
	again := mustDestroy(t, k, "tenant")
	if calls.Load() != 4 || again.Err() != nil || len(again.Destroyed) != 2 || m.saves != saves || len(m.old) != 0 {
		t.Errorf("%d calls, %d saves: %+v", calls.Load(), m.saves-saves, again)
	}
}

func TestFailedDestructionDestroysNothing(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		k, m := tenantKeyring(t, p)
		k.Follow(func(_ context.Context, ids []envelope.KeyID) error {
			t.Errorf("told of %v", ids)
			return nil
		})
		for what, fail := range map[string]func(){
			"reading": func() { m.loadErr = errOutage },
			"saving":  func() { m.saveErr = errOutage },
		} {
			m.with(fail)
			if d, err := k.Destroy(t.Context(), "tenant"); !errors.Is(err, errOutage) || d.Destroyed != nil {
				t.Errorf("%s: %+v, %v", what, d, err)
			}
			m.with(func() { m.loadErr, m.saveErr = nil, nil })
			mustDerive(t, k, keyID("tenant", 1))
		}
		if m.removed > 0 {
			t.Error("old versions were removed")
		}
	})
}

// TestDestructionIsFinishedAfterTheContextsEnd: what is saved cannot be undone, so
// the rest must not be forgotten.
func TestDestructionIsFinishedAfterTheContextsEnd(t *testing.T) {
	k, m := tenantKeyring(t, testProtector(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	m.with(func() { m.onSave = func(context.Context) { cancel() } })
	told := 0
	k.Follow(func(ctx context.Context, _ []envelope.KeyID) error {
		told++
		return ctx.Err()
	})
	d, err := k.Destroy(ctx, "tenant")
	if err != nil || len(d.Unreached) != 1 || !errors.Is(d.Err(), context.Canceled) || told != 1 {
		t.Errorf("%d told, %d unreached, %v", told, len(d.Unreached), err)
	}
	answersDestroyed(t, k)
}

// TestNothingIsDestroyedUnderAnotherSecret nor under a wiped one.
func TestNothingIsDestroyedUnderAnotherSecret(t *testing.T) {
	m := &memory{}
	secret := NewSecret(bytes.Repeat([]byte{1}, KeySize))
	p, err := Raw(secret)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Create(t.Context(), m, p)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := k.Export(t.Context(), testProtector(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	original := m.stored()
	m.with(func() { m.doc = moved })
	if _, err := k.Destroy(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrProtector) || !bytes.Equal(m.stored(), moved) {
		t.Errorf("another secret: %v", err)
	}
	m.with(func() { m.doc = original })
	secret.Close()
	if _, err := k.Destroy(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrClosed) || !bytes.Equal(m.stored(), original) {
		t.Errorf("a wiped secret: %v", err)
	}
	mustDerive(t, k, id(1))
}

// TestWrongProtectorIsFoundWhenNoKeyIsLeft: a document of tombstones alone must
// not open to any passphrase, under which the next key would be written.
func TestWrongProtectorIsFoundWhenNoKeyIsLeft(t *testing.T) {
	passphrase := func(text string) Protector {
		p, err := Passphrase(NewSecret([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	other := newService(t, testLifetime, 0)
	other.inner = testProtector(t, 2)
	for name, p := range map[string]struct{ right, wrong Protector }{
		"raw":        {testProtector(t, 1), testProtector(t, 2)},
		"passphrase": {passphrase("correct horse battery"), passphrase("correct horse batterz")},
		"remote":     {newService(t, testLifetime, 0), other},
	} {
		k, m := tenantKeyring(t, p.right)
		mustDestroy(t, k, "tenant")
		mustDestroy(t, k, envelope.DefaultKey)
		if _, err := Open(t.Context(), m, p.wrong); !errors.Is(err, ErrProtector) {
			t.Errorf("%s, wrong: %v", name, err)
		}
		again := openTest(t, m, p.right)
		if got, err := again.Rotate(t.Context(), "next"); got != keyID("next", 1) || err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := again.Rotate(t.Context(), envelope.DefaultKey); !errors.Is(err, envelope.ErrKeyDestroyed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoVersionFollowsTheLast(t *testing.T) {
	k, m := tenantKeyring(t, testProtector(t, 1))
	d := k.current().doc
	e, err := keyEntry{Name: "worn", Version: math.MaxUint32}.wrap(t.Context(), testProtector(t, 1), bytes.Repeat([]byte{9}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := d.with(e).encode()
	m.with(func() { m.doc = b })
	if _, err := k.Rotate(t.Context(), "worn"); !errors.Is(err, ErrDocument) {
		t.Error(err)
	}
	if got, err := k.Latest(t.Context(), "worn"); got.Version != math.MaxUint32 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
