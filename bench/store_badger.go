package main

import (
	"bytes"

	"github.com/dgraph-io/badger/v4"

	"github.com/hipaakit/hipaakit/diskcache"
)

// badgerStore is a log-structured tree, encrypted by AES-CTR.
type badgerStore struct {
	db  *badger.DB
	dir string
}

// badgerShop opens databases as badger's documentation wants encrypted ones: with
// its cache of decrypted blocks, at its default of 256 MiB, and one of indices of
// 100 MiB.
func badgerShop() shop {
	return shop{"badger", func(dir string) (store, error) {
		db, err := openBadger(dir)
		return &badgerStore{db, dir}, err
	}}
}

func openBadger(dir string) (*badger.DB, error) {
	return badger.Open(badger.DefaultOptions(dir).WithLogger(nil).
		WithEncryptionKey(bytes.Repeat([]byte{1}, 32)).WithIndexCacheSize(100 << 20))
}

func (s *badgerStore) nameOf(key string) string { return key }

func (s *badgerStore) put(key string, record []byte) error {
	return s.db.Update(func(tx *badger.Txn) error { return tx.Set([]byte(key), record) })
}

func (s *badgerStore) get(key string) (v diskcache.View, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		item, err := tx.Get([]byte(key))
		if err != nil {
			return err
		}
		b, err := item.ValueCopy(nil)
		v = diskcache.NewView(b)
		return err
	})
	return v, err
}

// settle writes what is still in memory into tables, and merges them.
func (s *badgerStore) settle() (err error) {
	if err := s.db.Close(); err != nil {
		return err
	}
	if s.db, err = openBadger(s.dir); err != nil {
		return err
	}
	return s.db.Flatten(1)
}

func (s *badgerStore) close() error { return s.db.Close() }
