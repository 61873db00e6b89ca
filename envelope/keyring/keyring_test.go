package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
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
