package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

func testProtector(t testing.TB, fill byte) Protector {
	t.Helper()
	p, err := Raw(NewSecret(bytes.Repeat([]byte{fill}, KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testKeyring(t testing.TB) (*Keyring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring.json")
	k, err := Create(t.Context(), File(path), testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k, path
}

func id(version uint32) envelope.KeyID {
	return envelope.KeyID{Name: envelope.DefaultKey, Version: version}
}

func TestKeysSurviveReopening(t *testing.T) {
	k, path := testKeyring(t)
	want, err := k.Derive(t.Context(), id(1), []byte("info"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), File(path), testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Derive(t.Context(), id(1), []byte("info"))
	if err != nil || got != want {
		t.Fatalf("another key after reopening, %v", err)
	}
	if other, _ := again.Derive(t.Context(), id(1), []byte("info2")); other == want {
		t.Fatal("info does not enter the derived key")
	}
}

func TestCreateLeavesAnExistingKeyringAlone(t *testing.T) {
	_, path := testKeyring(t)
	before, _ := os.ReadFile(path)
	if _, err := Create(t.Context(), File(path), testProtector(t, 1)); !errors.Is(err, ErrExists) {
		t.Fatalf("got %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Fatal("the document changed")
	}
}

func TestOldVersionsOpenWhatTheySealed(t *testing.T) {
	k, _ := testKeyring(t)
	old, _ := k.Derive(t.Context(), id(1), nil)
	got, err := k.Rotate(t.Context(), envelope.DefaultKey)
	if err != nil || got != id(2) {
		t.Fatalf("rotated to %v, %v", got, err)
	}
	if latest, _ := k.Latest(t.Context(), envelope.DefaultKey); latest != id(2) {
		t.Fatalf("latest is %v", latest)
	}
	if again, err := k.Derive(t.Context(), id(1), nil); err != nil || again != old {
		t.Fatalf("version 1 is gone: %v", err)
	}
	if fresh, _ := k.Derive(t.Context(), id(2), nil); fresh == old {
		t.Fatal("version 2 is version 1")
	}
}

func TestWrongSecretOpensNothing(t *testing.T) {
	_, path := testKeyring(t)
	if _, err := Open(t.Context(), File(path), testProtector(t, 2)); !errors.Is(err, ErrProtector) {
		t.Errorf("other raw key: %v", err)
	}
	p, _ := Passphrase(NewSecret([]byte("correct horse battery")))
	if _, err := Open(t.Context(), File(path), p); !errors.Is(err, ErrProtector) {
		t.Errorf("passphrase for a raw key: %v", err)
	}
}

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

// TestPassphraseByPBKDF2 opens, whatever the mode, what PBKDF2 protected.
func TestPassphraseByPBKDF2(t *testing.T) {
	p := &passphrase{secret: NewSecret([]byte("correct horse battery")), turn: make(chan struct{}, 1)}
	head := append([]byte{kindPBKDF2}, make([]byte, saltSize)...)
	if err := p.stretch(append(head, 0, 0, 4, 0)); err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{9}, KeySize)
	wrapped, err := sealKey(bytes.Clone(p.head), p.key, key, []byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := Passphrase(NewSecret([]byte("correct horse battery")))
	if got, err := fresh.Unwrap(t.Context(), wrapped, []byte("aad")); err != nil || !bytes.Equal(got, key) {
		t.Fatal(err)
	}
}

func TestHostileCostsAreRefused(t *testing.T) {
	p, _ := Passphrase(NewSecret([]byte("correct horse battery")))
	salt := make([]byte, saltSize)
	for name, head := range map[string][]byte{
		"memory": append(append([]byte{kindArgon2}, salt...), 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 1),
		"passes": append(append([]byte{kindArgon2}, salt...), 0xFF, 0, 0, 0, 0, 0, 1, 0, 1),
		"lanes":  append(append([]byte{kindArgon2}, salt...), 0, 0, 0, 1, 0, 0, 1, 0, 0),
		"rounds": append(append([]byte{kindPBKDF2}, salt...), 0xFF, 0xFF, 0xFF, 0xFF),
	} {
		if _, err := p.Unwrap(t.Context(), append(head, make([]byte, 60)...), nil); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysCannotBeRenamedInTheDocument(t *testing.T) {
	k, path := testKeyring(t)
	if _, err := k.Rotate(t.Context(), "tenant-7"); err != nil {
		t.Fatal(err)
	}
	doc, _ := os.ReadFile(path)
	renamed := bytes.Replace(doc, []byte("tenant-7"), []byte("tenant-8"), 1)
	os.WriteFile(path, renamed, 0o600)
	if _, err := Open(t.Context(), File(path), testProtector(t, 1)); !errors.Is(err, ErrProtector) {
		t.Fatalf("got %v", err)
	}
}

func TestUnusableDocumentsAreNamed(t *testing.T) {
	_, path := testKeyring(t)
	good, _ := os.ReadFile(path)
	for name, doc := range map[string]string{
		"empty":   "",
		"no JSON": "secret!",
		"version": strings.Replace(string(good), `"version": 1`, `"version": 9`, 1),
		"format":  strings.Replace(string(good), formatName, "something", 1),
		"zero":    strings.Replace(string(good), "\"name\": \"default\",\n      \"version\": 1", "\"name\": \"default\",\n      \"version\": 0", 1),
		"name":    strings.Replace(string(good), `"name": "default"`, `"name": "Jane Doe"`, 1),
		"unknown": strings.Replace(string(good), `"format"`, `"surprise": 1, "format"`, 1),
	} {
		if doc == string(good) {
			t.Fatalf("%s: nothing was changed", name)
		}
		os.WriteFile(path, []byte(doc), 0o600)
		_, err := Open(t.Context(), File(path), testProtector(t, 1))
		if !errors.Is(err, ErrDocument) || strings.Contains(err.Error(), "secret!") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFileOpenToOthersIsRefused(t *testing.T) {
	_, path := testKeyring(t)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		os.Chmod(path, mode)
		if _, err := Open(t.Context(), File(path), testProtector(t, 1)); !errors.Is(err, ErrPermissions) {
			t.Errorf("%o: %v", mode, err)
		}
	}
}

func TestFileIsPrivateAndLeavesNothingBehind(t *testing.T) {
	k, path := testKeyring(t)
	k.Rotate(t.Context(), "other")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if n := e.Name(); n != "keyring.json" && n != "keyring.json.lock" {
			t.Errorf("left behind: %s", n)
		}
	}
}

func TestConcurrentRotationsLoseNoVersion(t *testing.T) {
	_, path := testKeyring(t)
	var added atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			k, err := Open(t.Context(), File(path), testProtector(t, 1))
			if err != nil {
				t.Error(err)
				return
			}
			for range 8 {
				switch _, err := k.Rotate(t.Context(), envelope.DefaultKey); {
				case err == nil:
					added.Add(1)
				case !errors.Is(err, ErrChanged):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	k, err := Open(t.Context(), File(path), testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if ids, _ := k.Keys(); len(ids) != int(added.Load())+1 {
		t.Fatalf("%d versions, %d were added to the first", len(ids), added.Load())
	}
}

// countingStorage counts readings.
type countingStorage struct {
	Storage
	loads atomic.Int32
}

func (s *countingStorage) Load(ctx context.Context) ([]byte, string, error) {
	s.loads.Add(1)
	return s.Storage.Load(ctx)
}

func TestUnknownVersionIsReadOnceForAllWhoWait(t *testing.T) {
	writer, path := testKeyring(t)
	storage := &countingStorage{Storage: File(path)}
	reader, err := Open(t.Context(), storage, testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Rotate(t.Context(), envelope.DefaultKey); err != nil {
		t.Fatal(err)
	}
	storage.loads.Store(0)
	reader.turn <- struct{}{} // hold everybody back until all have asked
	_, seen, _ := reader.derive(id(2), nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := reader.reread(t.Context(), seen); err != nil {
				t.Error(err)
			}
			if _, err := reader.Derive(t.Context(), id(2), nil); err != nil {
				t.Error(err)
			}
		})
	}
	<-reader.turn
	wg.Wait()
	if n := storage.loads.Load(); n != 1 {
		t.Fatalf("the document was read %d times", n)
	}
	if _, err := reader.Derive(t.Context(), id(99), nil); !errors.Is(err, envelope.ErrKeyUnknown) {
		t.Fatalf("a version that nobody made: %v", err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	k, _ := testKeyring(t)
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Derive(ctx, id(7), nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestClosedKeyringGivesNothing(t *testing.T) {
	k, _ := testKeyring(t)
	k.Close()
	if out, err := k.Derive(t.Context(), id(1), nil); !errors.Is(err, ErrClosed) || out != [32]byte{} {
		t.Errorf("derive: %v", err)
	}
	if _, err := k.Latest(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrClosed) {
		t.Errorf("latest: %v", err)
	}
	if _, err := k.Rotate(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrClosed) {
		t.Errorf("rotate: %v", err)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret([]byte("hunter2hunter2"))
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
	s.Close()
	if !bytes.Equal(s.bytes(), make([]byte, 14)) {
		t.Error("not wiped")
	}
}
