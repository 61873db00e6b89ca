package main

import (
	"os"
	"path/filepath"

	"github.com/peterbourgon/diskv/v3"

	"github.com/hipaakit/hipaakit/diskcache"
)

// diskvStore is one plain file for each record, behind a lock. Its cache in memory
// is off, as ours is.
type diskvStore struct{ d *diskv.Diskv }

func diskvShop() shop {
	return shop{"diskv", func(dir string) (store, error) {
		// Without a TempDir it writes in place, and a reader may see half a file.
		return diskvStore{diskv.New(diskv.Options{BasePath: dir, TempDir: filepath.Join(filepath.Dir(dir), "tmp")})}, os.Mkdir(dir, 0o700)
	}}
}

func (s diskvStore) nameOf(key string) string { return fileName(key) }

func (s diskvStore) put(name string, record []byte) error { return s.d.Write(name, record) }

func (s diskvStore) get(name string) (diskcache.View, error) {
	b, err := s.d.Read(name)
	return diskcache.NewView(b), err
}

func (s diskvStore) close() error { return nil }
