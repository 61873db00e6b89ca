package keyring

import (
	"bytes"
	"context"
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

// cheapHead asks for 1024 rounds of PBKDF2.
func cheapHead() []byte {
	return append(append([]byte{kindPBKDF2}, make([]byte, saltSize)...), 0, 0, 4, 0)
}

func wrapCheaply(t *testing.T, secret string, key, aad []byte) []byte {
	t.Helper()
	stretched, err := stretch([]byte(secret), cheapHead())
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := sealKey(cheapHead(), stretched, key, aad)
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
		"memory":     argon(0, 0, 0, 1, 0x00, 0x04, 0x00, 0x01, 1),
		"all memory": argon(0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 1),
		"passes":     argon(0, 0, 0, 11, 0, 0, 1, 0, 1),
		"no passes":  argon(0, 0, 0, 0, 0, 0, 1, 0, 1),
		"lanes":      argon(0, 0, 0, 1, 0, 0, 1, 0, 17),
		"no lanes":   argon(0, 0, 0, 1, 0, 0, 1, 0, 0),
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
	if p.(*passphrase).head != nil {
		t.Error("the passphrase was stretched")
	}
}

// TestForgedHeadDoesNotCheapenTheNextKey offers a wrapped key that does not
// unwrap, with stretching that costs a guesser nothing.
func TestForgedHeadDoesNotCheapenTheNextKey(t *testing.T) {
	p, err := Passphrase(NewSecret([]byte("correct horse battery")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Unwrap(t.Context(), id(1), append(cheapHead(), make([]byte, 60)...)); !errors.Is(err, ErrProtector) {
		t.Fatal(err)
	}
	wrapped, err := p.Wrap(t.Context(), id(1), make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(wrapped, cheapHead()) {
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
	stretched := p.key
	if len(stretched) != KeySize || bytes.Equal(stretched, make([]byte, KeySize)) {
		t.Fatalf("a stretched key of %d bytes", len(stretched))
	}
	secret.Close()
	if !bytes.Equal(stretched, make([]byte, KeySize)) || p.key != nil || p.head != nil {
		t.Error("the stretched key is still there")
	}
	if _, err := p.Unwrap(t.Context(), id(1), wrapped); !errors.Is(err, ErrClosed) {
		t.Errorf("unwrap: %v", err)
	}
	if _, err := p.Wrap(t.Context(), id(1), make([]byte, KeySize)); !errors.Is(err, ErrClosed) {
		t.Errorf("wrap: %v", err)
	}
}
