package keyring

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// leftoverPrefix begins the names of files that a save writes before it renames
// them; digits follow. The keyring's own name is in it, because the lock says
// nothing about the saves of another keyring in the same folder.
func (f file) leftoverPrefix() string { return ".keyring-" + filepath.Base(f.path) + "-" }

func (f file) isLeftover(name string) bool {
	digits, ok := strings.CutPrefix(name, f.leftoverPrefix())
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// RemoveOld implements [History]: it removes what crashed saves left. Under the
// lock nobody is saving, so that all of them are such.
func (f file) RemoveOld(ctx context.Context) error {
	f, unlock, err := f.lockResolved(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	dir := filepath.Dir(f.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fileError(err)
	}
	var failed []error
	for _, e := range entries {
		if f.isLeftover(e.Name()) {
			failed = append(failed, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return fileError(errors.Join(append(failed, f.disk.sync(dir))...))
}
