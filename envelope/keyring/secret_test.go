package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret([]byte("hunter2hunter2"))
	defer s.Close()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", struct{ S *Secret }{s})
		fmt.Fprintf(&out, verb+"\n", struct{ s Secret }{*s})
		fmt.Fprintf(&out, verb+"\n", []any{s, *s})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "s", s)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "s", s)
	json.NewEncoder(&out).Encode(map[string]any{"s": s})
	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), "104 117 110"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q in %s", leak, out.String())
		}
	}
}

func TestClosedSecretIsWipedAndUnusable(t *testing.T) {
	b := []byte("hunter2hunter2")
	s := NewSecret(b)
	s.Close()
	if !bytes.Equal(b, make([]byte, len(b))) {
		t.Error("not wiped")
	}
	if err := s.use(func([]byte) error { t.Error("used"); return nil }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestUnusableSecretsAreRefused(t *testing.T) {
	closed := NewSecret(bytes.Repeat([]byte{7}, KeySize))
	closed.Close()
	for name, s := range map[string]*Secret{
		"nil": nil, "zero": {}, "closed": closed, "of nil": NewSecret(nil), "empty": NewSecret([]byte{}), "short": NewSecret([]byte("short")),
	} {
		if _, err := Raw(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("raw, %s: %v", name, err)
		}
		if _, err := Passphrase(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("passphrase, %s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing %s: %v", name, err)
		}
	}
	if _, err := Raw(NewSecret(make([]byte, KeySize))); !errors.Is(err, ErrInvalid) {
		t.Errorf("raw key of zeros: %v", err)
	}
}

// TestNoVersionIsAddedUnderAWipedSecret closes the secret of an open keyring. A
// version wrapped under the zeros left behind would open to everybody, and the
// document to nobody.
func TestNoVersionIsAddedUnderAWipedSecret(t *testing.T) {
	for name, protect := range map[string]func(*Secret) (Protector, error){"raw": Raw, "passphrase": Passphrase} {
		path := filepath.Join(t.TempDir(), "keyring.json")
		secret := NewSecret(bytes.Repeat([]byte{7}, KeySize))
		p, err := protect(secret)
		if err != nil {
			t.Fatal(err)
		}
		k, err := Create(t.Context(), File(path), p)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		secret.Close()
		if _, err := k.Rotate(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s: the document changed", name)
		}
		if _, err := k.Derive(t.Context(), id(1), nil); err != nil {
			t.Errorf("%s: a key that was unwrapped before: %v", name, err)
		}
		if _, err := Create(t.Context(), File(path+"2"), p); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: create: %v", name, err)
		}
	}
}

// TestClosingTheSecretDuringRotations lets Close fall anywhere: what was written
// opens under the secret.
func TestClosingTheSecretDuringRotations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	secret := NewSecret(bytes.Repeat([]byte{1}, KeySize))
	p, err := Raw(secret)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Create(t.Context(), File(path), p)
	if err != nil {
		t.Fatal(err)
	}
	rotations, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		for err := error(nil); err == nil; {
			_, err = k.Rotate(t.Context(), envelope.DefaultKey)
			rotations <- err
		}
	}()
	if err := <-rotations; err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		secret.Close()
	}()
	for err = nil; err == nil; {
		err = <-rotations
	}
	<-ended
	<-closed
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := Open(t.Context(), File(path), testProtector(t, 1)); err != nil {
		t.Errorf("the secret does not open what was written: %v", err)
	}
}
