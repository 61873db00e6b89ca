package main

import (
	"bytes"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/hipaakit/hipaakit/diskcache"
)

// bboltStore is a tree in one file that is mapped into memory; it is not encrypted.
type bboltStore struct{ db *bbolt.DB }

var bucket = []byte("records")

func bboltShop() shop {
	return shop{"bbolt", func(dir string) (store, error) {
		db, err := bbolt.Open(dir, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
		if err != nil {
			return nil, err
		}
		return bboltStore{db}, db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists(bucket)
			return err
		})
	}}
}

func (s bboltStore) nameOf(key string) string { return key }

func (s bboltStore) put(key string, record []byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(key), record) })
}

func (s bboltStore) get(key string) (v diskcache.View, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket).Get([]byte(key))
		if b == nil {
			return errors.New("no such key")
		}
		v = diskcache.NewView(bytes.Clone(b)) // b is the database's, until the transaction ends
		return nil
	})
	return v, err
}

func (s bboltStore) close() error { return s.db.Close() }
