package keyring

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// watched is a local protector that remembers every plaintext that went through.
type watched struct {
	Protector
	seen [][]byte
}

func (w *watched) Wrap(ctx context.Context, id envelope.KeyID, key []byte) ([]byte, error) {
	w.seen = append(w.seen, key)
	return w.Protector.Wrap(ctx, id, key)
}

func (w *watched) Unwrap(ctx context.Context, id envelope.KeyID, wrapped []byte) ([]byte, error) {
	key, err := w.Protector.Unwrap(ctx, id, wrapped)
	w.seen = append(w.seen, key)
	return key, err
}

func (w *watched) left() (n int) {
	for _, key := range w.seen {
		if !bytes.Equal(key, make([]byte, len(key))) {
			n++
		}
	}
	return n
}

func mustExport(t *testing.T, k *Keyring, to Protector, names ...string) []byte {
	t.Helper()
	doc, err := k.Export(t.Context(), to, names...)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// sameRings compares everything that two keyrings know.
func sameRings(t *testing.T, a, b *Keyring) {
	t.Helper()
	ids, _ := a.Keys()
	others, _ := b.Keys()
	if !slices.Equal(ids, others) || len(ids) == 0 {
		t.Fatalf("keys %v and %v", ids, others)
	}
	for _, id := range ids {
		if mustDerive(t, a, id) != mustDerive(t, b, id) {
			t.Errorf("%v is another key", id)
		}
	}
	stones, times := a.Tombstones()
	otherStones, otherTimes := b.Tombstones()
	if !slices.Equal(stones, otherStones) || !slices.Equal(times, otherTimes) {
		t.Errorf("tombstones %v and %v", stones, otherStones)
	}
}

func TestKeyringMovesToAnotherProtectorAndBack(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		local, kms := testProtector(t, 1), newService(t, testLifetime, 0)
		k, _ := tenantKeyring(t, local)
		if _, err := k.Rotate(t.Context(), "shredded"); err != nil {
			t.Fatal(err)
		}
		mustDestroy(t, k, "shredded")
		kms.inner = testProtector(t, 3)
		there, err := Restore(t.Context(), &memory{}, kms, mustExport(t, k, testProtector(t, 2)), testProtector(t, 2))
		if err != nil {
			t.Fatal(err)
		}
		defer there.Close()
		sameRings(t, k, there)
		back, err := Restore(t.Context(), &memory{}, local, mustExport(t, there, testProtector(t, 4)), testProtector(t, 4))
		if err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		sameRings(t, k, back)
	})
}

func TestExportTakesTheNamedKeysAlone(t *testing.T) {
	k, _ := tenantKeyring(t, testProtector(t, 1))
	doc := mustExport(t, k, testProtector(t, 2), "tenant")
	part, err := Restore(t.Context(), &memory{}, testProtector(t, 1), doc, testProtector(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	if ids, _ := part.Keys(); !slices.Equal(ids, []envelope.KeyID{keyID("tenant", 1), keyID("tenant", 2)}) {
		t.Errorf("exported %v", ids)
	}
	if _, err := k.Export(t.Context(), testProtector(t, 2), "tenant", "nobody"); !errors.Is(err, envelope.ErrKeyUnknown) {
		t.Error(err)
	}
	if _, err := k.Export(t.Context(), nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// TestExportBringsBackALostDocument but does not take an unreachable one for lost.
func TestExportBringsBackALostDocument(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		k, m := tenantKeyring(t, p)
		for what, lose := range map[string]func(){
			"gone":    func() { m.doc = nil },
			"damaged": func() { m.doc = []byte("0000") },
		} {
			m.with(lose)
			back, err := Restore(t.Context(), &memory{}, p, mustExport(t, k, p), p)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			sameRings(t, k, back)
			back.Close()
		}
		m.with(func() { m.loadErr = errOutage })
		if _, err := k.Export(t.Context(), p); !errors.Is(err, errOutage) {
			t.Error(err)
		}
	})
}

func TestRestoreLeavesAnExistingKeyringAlone(t *testing.T) {
	k, m := tenantKeyring(t, testProtector(t, 1))
	doc, before := mustExport(t, k, testProtector(t, 2)), m.stored()
	for what, test := range map[string]struct {
		s    Storage
		doc  []byte
		from Protector
		want error
	}{
		"exists":      {m, doc, testProtector(t, 2), ErrExists},
		"wrong":       {&memory{}, doc, testProtector(t, 3), ErrProtector},
		"no document": {&memory{}, []byte("{}"), testProtector(t, 2), ErrDocument},
		"nil":         {&memory{}, doc, nil, ErrInvalid},
		"no storage":  {nil, doc, testProtector(t, 2), ErrInvalid},
	} {
		if _, err := Restore(t.Context(), test.s, testProtector(t, 1), test.doc, test.from); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !bytes.Equal(m.stored(), before) {
		t.Error("the document changed")
	}
}

// TestNoPlaintextIsLeftByMovingKeys looks at every buffer a protector saw.
func TestNoPlaintextIsLeftByMovingKeys(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		_, m := tenantKeyring(t, p)
		k := openTest(t, m, p)
		out := &watched{Protector: testProtector(t, 2)}
		doc := mustExport(t, k, out)
		if len(out.seen) != 4 || out.left() != 0 { // check value and three keys
			t.Errorf("export: %d of %d plaintexts are left", out.left(), len(out.seen))
		}
		in := &watched{Protector: testProtector(t, 2)}
		back, err := Restore(t.Context(), &memory{}, p, doc, in)
		if err != nil {
			t.Fatal(err)
		}
		if len(in.seen) != 4 || in.left() != 0 {
			t.Errorf("restore: %d of %d plaintexts are left", in.left(), len(in.seen))
		}
		back.Close()
		in = &watched{Protector: testProtector(t, 2)}
		if err := k.Import(t.Context(), doc, in); err != nil {
			t.Fatal(err)
		}
		if len(in.seen) != 4 || in.left() != 0 {
			t.Errorf("import: %d of %d plaintexts are left", in.left(), len(in.seen))
		}
		k.Close() // which wipes what is in memory by right
		if s, ok := p.(*service); ok && (len(s.given) < 5 || (&watched{seen: s.given}).left() != 0) {
			t.Errorf("a key of %d that the service gave is left", len(s.given))
		}
	})
}

// TestMovingManyKeysOfAServiceLeavesNoneInMemory: they are not held for a lifetime
// because somebody made a backup.
func TestMovingManyKeysOfAServiceLeavesNoneInMemory(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, _ := remoteKeyring(t, s, "a", "b", "c")
		doc := mustExport(t, k, testProtector(t, 2))
		other, err := Create(t.Context(), &memory{}, s)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		mustDestroy(t, other, envelope.DefaultKey)
		if err := other.Import(t.Context(), doc, testProtector(t, 2)); err != nil {
			t.Fatal(err)
		}
		if heldKeys(k) != 1 || heldKeys(other) != 0 {
			t.Errorf("%d and %d keys in memory", heldKeys(k), heldKeys(other))
		}
		for _, name := range []string{"a", "b", "c"} {
			if mustDerive(t, k, keyID(name, 1)) != mustDerive(t, other, keyID(name, 1)) {
				t.Errorf("%q is another key", name)
			}
		}
	})
}
