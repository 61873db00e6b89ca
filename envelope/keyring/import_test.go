package keyring

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

// twins returns two keyrings that were one: they have the same keys.
func twins(t *testing.T, p Protector) (a, b *Keyring, am *memory) {
	t.Helper()
	a, am = tenantKeyring(t, p)
	b, err := Restore(t.Context(), &memory{}, p, mustExport(t, a, testProtector(t, 2)), testProtector(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b, am
}

func mustRotate(t *testing.T, k *Keyring, name string) envelope.KeyID {
	t.Helper()
	id, err := k.Rotate(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestImportAddsWhatIsNotThereAndKeepsTheRest(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		a, b, m := twins(t, p)
		mustRotate(t, a, "only-here")
		mustRotate(t, b, "tenant")
		mustRotate(t, b, "new")
		mustRotate(t, b, "gone")
		mustDestroy(t, b, "gone")
		want := mustDerive(t, a, keyID("only-here", 1))
		doc := mustExport(t, b, testProtector(t, 2))
		for range 2 { // the second finds nothing to do
			if err := a.Import(t.Context(), doc, testProtector(t, 2)); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []*Keyring{a, openTest(t, m, p)} {
			for _, id := range []envelope.KeyID{keyID("tenant", 1), keyID("tenant", 3), keyID("new", 1)} {
				if mustDerive(t, k, id) != mustDerive(t, b, id) {
					t.Errorf("%v is another key", id)
				}
			}
			if mustDerive(t, k, keyID("only-here", 1)) != want {
				t.Error("a key of its own changed")
			}
			if _, err := k.Rotate(t.Context(), "gone"); !errors.Is(err, envelope.ErrKeyDestroyed) {
				t.Errorf("a name destroyed there: %v", err)
			}
		}
		if m.saves != 5 { // three of tenantKeyring, one rotation, one import
			t.Errorf("saved %d times", m.saves)
		}
	})
}

// TestBackupMadeBeforeADestructionDoesNotUndoIt and is good for the other keys.
func TestBackupMadeBeforeADestructionDoesNotUndoIt(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		a, b, _ := twins(t, p)
		mustRotate(t, b, "new")
		doc := mustExport(t, b, testProtector(t, 2))
		mustDestroy(t, a, "tenant")
		if err := a.Import(t.Context(), doc, testProtector(t, 2)); err != nil {
			t.Fatal(err)
		}
		answersDestroyed(t, a)
		mustDerive(t, a, keyID("new", 1))
	})
}

func TestContradictionsChangeNothing(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		for what, apart := range map[string]func(a, b *Keyring){
			"another key of the same id": func(a, b *Keyring) {
				mustRotate(t, a, "tenant")
				// Services that count give the same key for the same call.
				mustRotate(t, b, "other")
				mustRotate(t, b, "tenant")
			},
			"destroyed there, alive here": func(a, b *Keyring) { mustDestroy(t, b, "tenant") },
			"one version destroyed there, alive here": func(a, b *Keyring) {
				if _, err := b.DestroyVersion(t.Context(), keyID("tenant", 1)); err != nil {
					t.Fatal(err)
				}
			},
			"destroyed here, a newer version there": func(a, b *Keyring) {
				mustDestroy(t, a, "tenant")
				mustRotate(t, b, "tenant")
			},
		} {
			a, b, m := twins(t, p)
			apart(a, b)
			mustRotate(t, b, "new")
			doc, before := mustExport(t, b, testProtector(t, 2)), m.stored()
			if err := a.Import(t.Context(), doc, testProtector(t, 2)); !errors.Is(err, ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
			if ids, _ := a.Keys(); !bytes.Equal(m.stored(), before) || slices.Contains(ids, keyID("new", 1)) {
				t.Errorf("%s: something was imported", what)
			}
		}
	})
}

// TestVersionsThatWentApartContradict: here version 2 is the newest, and there only
// a tombstone of version 3 is left to import.
func TestVersionsThatWentApartContradict(t *testing.T) {
	a, b, _ := twins(t, testProtector(t, 1))
	mustRotate(t, b, "tenant")
	mustDestroy(t, b, "tenant")
	d, err := parseDocument(mustExport(t, b, testProtector(t, 2), "tenant"))
	if err != nil {
		t.Fatal(err)
	}
	d.Keys = d.Keys[2:]
	doc, _ := d.encode()
	if err := a.Import(t.Context(), doc, testProtector(t, 2)); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
}

func TestImportRefusesWhatItCannotProve(t *testing.T) {
	a, b, m := twins(t, testProtector(t, 1))
	mustRotate(t, b, "new")
	doc, before := mustExport(t, b, testProtector(t, 2)), m.stored()
	for what, test := range map[string]struct {
		doc  []byte
		from Protector
		want error
	}{
		"wrong protector": {doc, testProtector(t, 3), ErrProtector},
		"nil":             {doc, nil, ErrInvalid},
		"no document":     {[]byte("not a keyring"), testProtector(t, 2), ErrDocument},
		"out of order":    {bytes.Replace(doc, []byte(`"new"`), []byte(`"zzz"`), 1), testProtector(t, 2), ErrDocument},
		"renamed":         {bytes.Replace(doc, []byte(`"new"`), []byte(`"nex"`), 1), testProtector(t, 2), ErrProtector},
	} {
		if err := a.Import(t.Context(), test.doc, test.from); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	a.Close()
	if err := a.Import(t.Context(), doc, testProtector(t, 2)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := a.Export(t.Context(), testProtector(t, 2)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if !bytes.Equal(m.stored(), before) {
		t.Error("the document changed")
	}
}

// during is a protector in whose Wrap something happens.
type during struct {
	Protector
	wrap func()
}

func (d during) Wrap(ctx context.Context, id envelope.KeyID, key []byte) ([]byte, error) {
	d.wrap()
	return d.Protector.Wrap(ctx, id, key)
}

// TestChangeDuringAnImportIsNotLost: the keys are wrapped for minutes, with a
// service, and others go on meanwhile. In the second case an older document comes
// back as well, the very one that the import began with.
func TestChangeDuringAnImportIsNotLost(t *testing.T) {
	for what, rollBack := range map[string]bool{"changed": false, "changed and rolled back": true} {
		_, b, m := twins(t, testProtector(t, 1))
		mustRotate(t, b, "new")
		doc, began := mustExport(t, b, testProtector(t, 2)), m.stored()
		var a *Keyring
		a = openTest(t, m, during{testProtector(t, 1), func() {
			mustDestroy(t, openTest(t, m, testProtector(t, 1)), "tenant")
			if !rollBack {
				return
			}
			if err := a.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			m.with(func() { m.doc = began })
		}})
		if err := a.Import(t.Context(), doc, testProtector(t, 2)); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", what, err)
		}
		if rollBack {
			answersDestroyed(t, a)
			continue
		}
		a = openTest(t, m, testProtector(t, 1))
		if err := a.Import(t.Context(), doc, testProtector(t, 2)); err != nil {
			t.Errorf("again: %v", err)
		}
		answersDestroyed(t, a)
	}
}

func TestKeyringClosedDuringAnImportSavesNothing(t *testing.T) {
	_, b, m := twins(t, testProtector(t, 1))
	mustRotate(t, b, "new")
	doc, before := mustExport(t, b, testProtector(t, 2)), m.stored()
	var a *Keyring
	a = openTest(t, m, during{testProtector(t, 1), func() { a.Close() }})
	if err := a.Import(t.Context(), doc, testProtector(t, 2)); !errors.Is(err, ErrClosed) || !bytes.Equal(m.stored(), before) {
		t.Error(err)
	}
}

// TestTombstonesOfAReadingThatFailedOutliveAnImport: the reading came in the middle
// of it, could not unwrap a new key, and then the older document was put back, which
// the import began with.
func TestTombstonesOfAReadingThatFailedOutliveAnImport(t *testing.T) {
	_, b, m := twins(t, testProtector(t, 1))
	mustRotate(t, b, "new")
	doc, began := mustExport(t, b, testProtector(t, 2)), m.stored()
	broken := &breakable{Protector: testProtector(t, 1)}
	var a *Keyring
	a = openTest(t, m, during{broken, sync.OnceFunc(func() {
		other := openTest(t, m, testProtector(t, 1))
		mustRotate(t, other, "more")
		mustDestroy(t, other, "tenant")
		broken.err = errOutage
		if err := a.Reload(t.Context()); !errors.Is(err, errOutage) {
			t.Error(err)
		}
		broken.err = nil
		m.with(func() { m.doc = began })
	})})
	if err := a.Import(t.Context(), doc, testProtector(t, 2)); !errors.Is(err, ErrChanged) {
		t.Errorf("import: %v", err)
	}
	if !bytes.Equal(m.stored(), began) {
		t.Error("it was saved all the same")
	}
	answersDestroyed(t, a)
}
