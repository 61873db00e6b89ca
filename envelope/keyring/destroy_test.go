package keyring

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// tenantKeyring returns a keyring over m with two versions of a tenant's key.
func tenantKeyring(t testing.TB, p Protector) (*Keyring, *memory) {
	t.Helper()
	m := &memory{}
	k, err := Create(t.Context(), m, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	for range 2 {
		if _, err := k.Rotate(t.Context(), "tenant"); err != nil {
			t.Fatal(err)
		}
	}
	m.readSince()
	return k, m
}

// eachProtector runs f with a local protector and with a service.
func eachProtector(t *testing.T, f func(t *testing.T, p Protector)) {
	t.Run("local", func(t *testing.T) { f(t, testProtector(t, 1)) })
	t.Run("remote", func(t *testing.T) { f(t, newService(t, testLifetime, testGrace)) })
}

func mustDestroy(t *testing.T, k *Keyring, name string) Destruction {
	t.Helper()
	d, err := k.Destroy(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDestroyedKeyIsGoneForGood(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		k, m := tenantKeyring(t, p)
		mustDerive(t, k, keyID("tenant", 2))
		var memories [][]byte
		var wrapped []string
		doc := k.current().doc
		for _, e := range doc.named("tenant") {
			memories = append(memories, heldKey(k, e.id()))
			wrapped = append(wrapped, base64.StdEncoding.EncodeToString(e.Wrapped))
		}
		d := mustDestroy(t, k, "tenant")
		want := []envelope.KeyID{keyID("tenant", 1), keyID("tenant", 2)}
		if !slices.Equal(d.Destroyed, want) || d.Err() != nil {
			t.Errorf("%+v", d)
		}
		for i := range memories {
			if !bytes.Equal(memories[i], make([]byte, KeySize)) {
				t.Errorf("version %d is still in memory", i+1)
			}
			if bytes.Contains(m.stored(), []byte(wrapped[i])) {
				t.Errorf("version %d is still in the document", i+1)
			}
		}
		m.readSince()
		answersDestroyed(t, k)
		if n := m.readSince(); n != 0 {
			t.Errorf("read %d times for what is known", n)
		}
		answersDestroyed(t, openTest(t, m, p))
		mustDerive(t, k, id(1)) // the others are as they were
		if ids, _ := k.Keys(); !slices.Equal(ids, []envelope.KeyID{id(1)}) {
			t.Errorf("keys are %v", ids)
		}
		if ids, when := k.Tombstones(); !slices.Equal(ids, want) || when[0].IsZero() {
			t.Errorf("tombstones are %v, %v", ids, when)
		}
	})
}

func answersDestroyed(t *testing.T, k *Keyring) {
	t.Helper()
	answers := map[string]error{}
	_, answers["latest"] = k.Latest(t.Context(), "tenant")
	_, answers["rotate"] = k.Rotate(t.Context(), "tenant")
	for v := range uint32(2) {
		_, answers[fmt.Sprint("derive ", v+1)] = k.Derive(t.Context(), keyID("tenant", v+1), nil)
	}
	for what, err := range answers {
		if !errors.Is(err, envelope.ErrKeyDestroyed) || !errors.Is(err, envelope.ErrKeyUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestEnvelopesOfADestroyedKeyDoNotOpen(t *testing.T) {
	k, _ := tenantKeyring(t, testProtector(t, 1))
	b := envelope.Binding{Store: "records", Key: "patients/17"}
	seal := func(names ...string) []byte {
		sealed, err := envelope.Seal(t.Context(), nil, []byte("data"), k, b, envelope.Options{Keys: names})
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	alone, shared := seal("tenant"), seal("tenant", envelope.DefaultKey)
	mustDestroy(t, k, "tenant")
	if _, _, err := envelope.Open(t.Context(), nil, alone, k, b); !errors.Is(err, envelope.ErrKeyDestroyed) {
		t.Error(err)
	}
	if data, _, err := envelope.Open(t.Context(), nil, shared, k, b); err != nil || string(data) != "data" {
		t.Errorf("under another key too: %v", err)
	}
	if _, err := envelope.Seal(t.Context(), nil, []byte("data"), k, b, envelope.Options{Keys: []string{"tenant"}}); !errors.Is(err, envelope.ErrKeyDestroyed) {
		t.Errorf("sealing: %v", err)
	}
}

func TestOldVersionCanBeDestroyedAndTheNewestCannot(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		k, m := tenantKeyring(t, p)
		before := m.stored()
		if _, err := k.DestroyVersion(t.Context(), keyID("tenant", 2)); !errors.Is(err, ErrInvalid) {
			t.Errorf("the newest: %v", err)
		}
		for _, unknown := range []envelope.KeyID{keyID("tenant", 3), keyID("nobody", 1), {}} {
			if _, err := k.DestroyVersion(t.Context(), unknown); !errors.Is(err, envelope.ErrKeyUnknown) {
				t.Errorf("%v: %v", unknown, err)
			}
		}
		if !bytes.Equal(m.stored(), before) {
			t.Fatal("the document changed")
		}
		d, err := k.DestroyVersion(t.Context(), keyID("tenant", 1))
		if err != nil || !slices.Equal(d.Destroyed, []envelope.KeyID{keyID("tenant", 1)}) {
			t.Fatal(d, err)
		}
		if _, err := k.Derive(t.Context(), keyID("tenant", 1), nil); !errors.Is(err, envelope.ErrKeyDestroyed) {
			t.Error(err)
		}
		mustDerive(t, k, keyID("tenant", 2))
		if got, err := k.Rotate(t.Context(), "tenant"); got != keyID("tenant", 3) || err != nil {
			t.Errorf("the next version is %v, %v", got, err)
		}
		mustDestroy(t, k, "tenant")
		if _, err := k.DestroyVersion(t.Context(), keyID("tenant", 3)); err != nil {
			t.Errorf("a version destroyed with all others: %v", err)
		}
	})
}

func TestUnknownKeyIsLookedForBeforeItIsDestroyed(t *testing.T) {
	writer, reader, m := twoNodes(t)
	if _, err := reader.Destroy(t.Context(), "nobody"); !errors.Is(err, envelope.ErrKeyUnknown) || m.readSince() != 1 {
		t.Error(err)
	}
	if _, err := writer.Rotate(t.Context(), "tenant"); err != nil {
		t.Fatal(err)
	}
	if d := mustDestroy(t, reader, "tenant"); len(d.Destroyed) != 1 {
		t.Errorf("made elsewhere: %+v", d)
	}
}

// TestDestructionGoesFromTheDocumentOutwards: were memory, caches or old versions
// first, a crash in between would leave a key that comes back.
func TestDestructionGoesFromTheDocumentOutwards(t *testing.T) {
	k, m := tenantKeyring(t, testProtector(t, 1))
	key := heldKey(k, keyID("tenant", 1))
	var order []string
	m.with(func() {
		m.onSave = func(context.Context) {
			if bytes.Equal(key, make([]byte, KeySize)) {
				t.Error("wiped before it was saved")
			}
			order = append(order, "saved")
		}
		m.onRemove = func() { order = append(order, "old versions") }
	})
	k.Follow(func(context.Context, []envelope.KeyID) error {
		if !bytes.Equal(key, make([]byte, KeySize)) {
			t.Error("not wiped yet")
		}
		order = append(order, "follower")
		return nil
	})
	mustDestroy(t, k, "tenant")
	if want := []string{"saved", "follower", "old versions"}; !slices.Equal(order, want) {
		t.Errorf("%v", order)
	}
	if m.removed != 3 || len(m.old) != 0 {
		t.Errorf("%d old documents left, %d removed", len(m.old), m.removed)
	}
}

// TestDerivingNeverSeesAWipedKey lets a destruction fall anywhere among
// derivations: each has the true key or none.
func TestDerivingNeverSeesAWipedKey(t *testing.T) {
	for range 20 {
		k, _ := tenantKeyring(t, testProtector(t, 1))
		want := mustDerive(t, k, keyID("tenant", 1))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					got, err := k.Derive(t.Context(), keyID("tenant", 1), []byte("info"))
					if errors.Is(err, envelope.ErrKeyDestroyed) {
						return
					}
					if got != want || err != nil {
						t.Errorf("another key, %v", err)
						return
					}
				}
			})
		}
		mustDestroy(t, k, "tenant")
		wg.Wait()
	}
}

// TestAnswerAfterTheDestructionIsWiped has the service answer when the key is gone.
func TestAnswerAfterTheDestructionIsWiped(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "tenant")
		late := bytes.Repeat([]byte{9}, KeySize)
		gate := make(chan struct{})
		s.with(func() { s.answer = func() ([]byte, error) { <-gate; return late, nil } })
		done := make(chan error, 1)
		go func() {
			_, err := k.Derive(t.Context(), keyID("tenant", 1), nil)
			done <- err
		}()
		synctest.Wait()
		mustDestroy(t, k, "tenant")
		close(gate)
		if err := <-done; !errors.Is(err, envelope.ErrKeyDestroyed) || !bytes.Equal(late, make([]byte, KeySize)) {
			t.Errorf("%v, %x", err, late)
		}
	})
}
