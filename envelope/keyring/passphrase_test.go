package keyring

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
)

func TestPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	p, err := Passphrase(NewSecret([]byte("correct horse battery")))
	if err != nil {
		t.Fatal(err)
	}
	k, err := Create(t.Context(), File(path), p)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := k.Derive(t.Context(), id(1), nil)
	fresh, _ := Passphrase(NewSecret([]byte("correct horse battery")))
	k, err = Open(t.Context(), File(path), fresh)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := k.Derive(t.Context(), id(1), nil); got != want {
		t.Fatal("another key")
	}
	wrong, _ := Passphrase(NewSecret([]byte("correct horse batterz")))
	if _, err := Open(t.Context(), File(path), wrong); !errors.Is(err, ErrProtector) {
		t.Fatalf("wrong passphrase: %v", err)
	}
	if _, err := Passphrase(NewSecret([]byte("short"))); !errors.Is(err, ErrInvalid) {
		t.Fatalf("short passphrase: %v", err)
	}
}

// cheapestHead asks for as few rounds of PBKDF2 as are taken.
func cheapestHead() []byte {
	return binary.BigEndian.AppendUint32(append([]byte{kindPBKDF2}, make([]byte, saltSize)...), minPBKDF2Rounds)
}

func wrapCheaply(t *testing.T, secret string, key, aad []byte) []byte {
	t.Helper()
	stretched, err := stretch([]byte(secret), cheapestHead())
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := sealKey(cheapestHead(), stretched, key, aad)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// TestPassphraseByPBKDF2 opens, whatever the mode, what PBKDF2 protected.
func TestPassphraseByPBKDF2(t *testing.T) {
	key := bytes.Repeat([]byte{9}, KeySize)
	wrapped := wrapCheaply(t, "correct horse battery", key, documentAAD(id(1)))
	fresh, _ := Passphrase(NewSecret([]byte("correct horse battery")))
	if got, err := fresh.Unwrap(t.Context(), id(1), wrapped); err != nil || !bytes.Equal(got, key) {
		t.Fatal(err)
	}
}

func TestHostileCostsAreRefused(t *testing.T) {
	p, _ := Passphrase(NewSecret([]byte("correct horse battery")))
	salt := make([]byte, saltSize)
	argon := func(cost ...byte) []byte { return append(append([]byte{kindArgon2}, salt...), cost...) }
	pbkdf2 := func(cost ...byte) []byte { return append(append([]byte{kindPBKDF2}, salt...), cost...) }
	for name, head := range map[string][]byte{
		"memory":     argon(0, 0, 0, 2, 0x00, 0x04, 0x00, 0x01, 1),
		"all memory": argon(0, 0, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF, 1),
		"passes":     argon(0, 0, 0, 11, 0, 1, 0, 0, 1),
		"no passes":  argon(0, 0, 0, 0, 0, 1, 0, 0, 1),
		"lanes":      argon(0, 0, 0, 2, 0, 1, 0, 0, 17),
		"no lanes":   argon(0, 0, 0, 2, 0, 1, 0, 0, 0),
		"rounds":     pbkdf2(0x00, 0x1E, 0x84, 0x81),
		"16 million": pbkdf2(0x01, 0x00, 0x00, 0x00),
		"no rounds":  pbkdf2(0, 0, 0, 0),
	} {
		if _, err := p.Unwrap(t.Context(), id(1), append(head, make([]byte, 60)...)); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStretchingDoesNotBeginAfterTheContext(t *testing.T) {
	p, err := Passphrase(NewSecret([]byte("correct horse battery")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // with the turn free, select could take either
		if _, err := p.Wrap(ctx, id(1), make([]byte, KeySize)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if p.(*passphrase).own.head != nil {
		t.Error("the passphrase was stretched")
	}
}

// TestForgedHeadDoesNotCheapenTheNextKey offers a wrapped key that does not
// unwrap, with a salt and a cost of somebody else's choice.
func TestForgedHeadDoesNotCheapenTheNextKey(t *testing.T) {
	p, err := Passphrase(NewSecret([]byte("correct horse battery")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Unwrap(t.Context(), id(1), append(cheapestHead(), make([]byte, 60)...)); !errors.Is(err, ErrProtector) {
		t.Fatal(err)
	}
	wrapped, err := p.Wrap(t.Context(), id(1), make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(wrapped, cheapestHead()) {
		t.Error("the next key lies under the forged head")
	}
}

func TestStretchedKeyGoesWithItsSecret(t *testing.T) {
	secret := NewSecret([]byte("correct horse battery"))
	protector, err := Passphrase(secret)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := wrapCheaply(t, "correct horse battery", bytes.Repeat([]byte{9}, KeySize), documentAAD(id(1)))
	if _, err := protector.Unwrap(t.Context(), id(1), wrapped); err != nil {
		t.Fatal(err)
	}
	p := protector.(*passphrase)
	stretched := p.other.key()
	if len(stretched) != KeySize || bytes.Equal(stretched, make([]byte, KeySize)) {
		t.Fatalf("a stretched key of %d bytes", len(stretched))
	}
	secret.Close()
	if !bytes.Equal(stretched, make([]byte, KeySize)) || p.other.key != nil || p.other.head != nil {
		t.Error("the stretched key is still there")
	}
	if _, err := p.Unwrap(t.Context(), id(1), wrapped); !errors.Is(err, ErrClosed) {
		t.Errorf("unwrap: %v", err)
	}
	if _, err := p.Wrap(t.Context(), id(1), make([]byte, KeySize)); !errors.Is(err, ErrClosed) {
		t.Errorf("wrap: %v", err)
	}
}

// TestStretchingThatCostsAGuesserNothingIsRefused, even in a document under the right
// passphrase: every key that is added later would be as cheap to guess.
func TestStretchingThatCostsAGuesserNothingIsRefused(t *testing.T) {
	salt := make([]byte, saltSize)
	for name, test := range map[string]struct {
		head    []byte
		refused bool
	}{
		"PBKDF2, one round":       {append(append([]byte{kindPBKDF2}, salt...), 0, 0, 0, 1), true},
		"PBKDF2, 599,999 rounds":  {append(append([]byte{kindPBKDF2}, salt...), 0x00, 0x09, 0x27, 0xBF), true},
		"PBKDF2, 600,000 rounds":  {append(append([]byte{kindPBKDF2}, salt...), 0x00, 0x09, 0x27, 0xC0), false},
		"Argon2id, one pass":      {append(append([]byte{kindArgon2}, salt...), 0, 0, 0, 1, 0, 1, 0, 0, 1), true},
		"Argon2id, 1 KiB under":   {append(append([]byte{kindArgon2}, salt...), 0, 0, 0, 2, 0, 0, 0x4B, 0xFF, 1), true},
		"Argon2id, 19 MiB, twice": {append(append([]byte{kindArgon2}, salt...), 0, 0, 0, 2, 0, 0, 0x4C, 0x00, 1), false},
	} {
		p, err := Passphrase(NewSecret([]byte("correct horse battery")))
		if err != nil {
			t.Fatal(err)
		}
		// It does not unwrap, which is found after the stretching, if there is one.
		_, err = p.Unwrap(t.Context(), id(1), append(test.head, make([]byte, 60)...))
		if errors.Is(err, ErrDocument) != test.refused || !test.refused && !errors.Is(err, ErrProtector) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDocumentOfAPassphraseHasOneHead, also after the import of a document that the
// same passphrase protects with another salt: opening would take as many stretchings
// as the two alternate.
func TestDocumentOfAPassphraseHasOneHead(t *testing.T) {
	made := func() (*Keyring, Protector) {
		p, err := Passphrase(NewSecret([]byte("correct horse battery")))
		if err != nil {
			t.Fatal(err)
		}
		k, err := Create(t.Context(), &memory{}, p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		return k, p
	}
	a, p := made()
	b, other := made()
	mustRotate(t, a, "a")
	mustRotate(t, b, "b")
	mustRotate(t, a, "c")
	mustRotate(t, b, "d")
	if err := a.Import(t.Context(), mustExport(t, b, other, "b", "d"), p); err != nil {
		t.Fatal(err)
	}
	mustRotate(t, a, "e")
	d := a.current().doc
	want, _, err := splitHead(d.Check)
	if err != nil || len(d.Keys) != 6 {
		t.Fatal(len(d.Keys), err)
	}
	for _, e := range d.Keys {
		if !bytes.HasPrefix(e.Wrapped, want) {
			t.Errorf("%v lies under another head", e.id())
		}
	}
}
