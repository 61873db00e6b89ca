//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package keyring

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOnlyARegularFileIsOpened: a named pipe would hold Load for as long as nobody
// writes into it, whatever the context says.
func TestOnlyARegularFileIsOpened(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{"pipe": pipe, "folder": t.TempDir()} {
		if _, _, err := File(path).Load(t.Context()); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
