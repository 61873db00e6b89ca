package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/hipaakit/hipaakit/diskcache"
)

const readFile = "os.ReadFile"

// fileStore is one plain file for each record: the least that a cache of files does.
type fileStore struct{ dir, tmp string }

func fileShop() shop {
	return shop{readFile, func(dir string) (store, error) {
		return fileStore{dir, filepath.Join(dir, "tmp")}, os.Mkdir(dir, 0o700)
	}}
}

func (s fileStore) nameOf(key string) string { return filepath.Join(s.dir, fileName(key)) }

// fileName is a key as the name of one file.
func fileName(key string) string { return strings.ReplaceAll(key, "/", "-") }

// put writes a file and renames it, so that nobody ever reads half of one. The name
// is a fresh one: renaming over an existing file costs several times as much.
func (s fileStore) put(name string, record []byte) error {
	if err := os.WriteFile(s.tmp, record, 0o600); err != nil {
		return err
	}
	return os.Rename(s.tmp, name)
}

func (s fileStore) get(name string) (diskcache.View, error) {
	b, err := os.ReadFile(name)
	return diskcache.NewView(b), err
}

func (s fileStore) close() error { return nil }
