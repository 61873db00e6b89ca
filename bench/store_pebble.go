package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hipaakit/hipaakit/diskcache"
)

// pebbleStore is a log-structured tree; it is not encrypted.
type pebbleStore struct{ db *pebble.DB }

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	pebble.DefaultLogger.Fatalf(format, args...)
}

func pebbleShop() shop {
	return shop{"pebble", func(dir string) (store, error) {
		db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}})
		return pebbleStore{db}, err
	}}
}

func (s pebbleStore) nameOf(key string) string { return key }

func (s pebbleStore) put(key string, record []byte) error {
	return s.db.Set([]byte(key), record, pebble.NoSync)
}

func (s pebbleStore) get(key string) (diskcache.View, error) {
	b, closer, err := s.db.Get([]byte(key))
	if err != nil {
		return diskcache.View{}, err
	}
	b = bytes.Clone(b) // it was the database's, until closer is closed
	return diskcache.NewView(b), closer.Close()
}

// settle writes what is still in memory into tables, and merges them.
func (s pebbleStore) settle() error {
	return errors.Join(s.db.Flush(), s.db.Compact(context.Background(), []byte{0}, []byte{0xff}, true))
}

func (s pebbleStore) close() error { return s.db.Close() }
