package keyring

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

func osFile(path string) file { return file{path, osDisk{}} }

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

// TestLockIsWaitedForWithTheContext has somebody else hold the lock for good.
func TestLockIsWaitedForWithTheContext(t *testing.T) {
	k, path := testKeyring(t)
	release, err := osFile(path).lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := osFile(path).lock(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	done := make(chan error)
	go func() {
		_, err := k.Rotate(t.Context(), envelope.DefaultKey)
		done <- err
	}()
	release()
	if err := <-done; err != nil {
		t.Errorf("after the lock was given back: %v", err)
	}
}

func TestLockExcludes(t *testing.T) {
	_, path := testKeyring(t)
	release, err := osFile(path).lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	l, err := os.Open(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if taken, err := tryLock(l); taken || err != nil {
		t.Fatalf("taken twice: %v, %v", taken, err)
	}
}

func TestRotatingThroughALinkKeepsOneDocument(t *testing.T) {
	folder := t.TempDir()
	real, link := filepath.Join(folder, "real", "keyring.json"), filepath.Join(folder, "link.json")
	linked := filepath.Join(folder, "linked") // the folder, through a link
	if err := errors.Join(os.Mkdir(filepath.Dir(real), 0o700), os.Symlink(real, link), os.Symlink("real", linked)); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), File(link), testProtector(t, 1)); !errors.Is(err, ErrInvalid) {
		t.Fatalf("made through a link to nothing: %v", err)
	}
	if _, err := Create(t.Context(), File(filepath.Join(linked, "keyring.json")), testProtector(t, 1)); err != nil {
		t.Fatal(err)
	}
	k, err := Open(t.Context(), File(link), testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Rotate(t.Context(), envelope.DefaultKey); err != nil {
		t.Fatal(err)
	}
	direct, err := Open(t.Context(), File(real), testProtector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if latest, err := direct.Latest(t.Context(), envelope.DefaultKey); latest != id(2) {
		t.Errorf("behind the link: %v, %v", latest, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
}
