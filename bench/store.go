package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
)

// store keeps records on disk: ours, or a peer.
type store interface {
	// nameOf is what a key is to this store, as for a path: to make one is no part of
	// what is measured.
	nameOf(key string) string
	// put stores a record and waits for no disk: it is a cache.
	put(name string, record []byte) error
	// get returns what the caller may keep. Of a peer that lends its own memory for as
	// long as a transaction is open, it is a copy, as it would have to be in an
	// application.
	get(name string) (diskcache.View, error)
	close() error
}

// settler is a store that has work left after puts, which should not go on while
// gets are timed.
type settler interface{ settle() error }

// shop is how a store is opened.
type shop struct {
	name string
	open func(dir string) (store, error)
}

// stocked is a store full of records.
type stocked struct {
	shop
	store
	dir   string
	names []string
}

// stock opens a store in a folder of its own, and fills it.
func (s shop) stock(dir string, records [][]byte) (*stocked, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	st, err := s.open(filepath.Join(dir, "store"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	filled := &stocked{s, st, dir, names(st, 0, len(records))}
	if err := filled.fill(records); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.name, err), filled.remove())
	}
	return filled, nil
}

// names are those of keys, from one number to below another.
func names(s store, from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, s.nameOf(keyOf(i)))
	}
	return all
}

func (s *stocked) fill(records [][]byte) error {
	for i, name := range s.names {
		if err := s.put(name, records[i]); err != nil {
			return err
		}
	}
	if st, ok := s.store.(settler); ok {
		if err := st.settle(); err != nil {
			return err
		}
	}
	return s.prove(records)
}

// prove reads every record once, so that no line measures a wrong thing, and none
// the first time.
func (s *stocked) prove(records [][]byte) error {
	var got []byte
	for i, name := range s.names {
		v, err := s.get(name)
		if err != nil {
			return err
		}
		if got = v.AppendTo(got[:0]); !bytes.Equal(got, records[i]) {
			return errors.New("what was read is not what was stored")
		}
	}
	return nil
}

// reading is the contender that gets all records, around and around.
func (s *stocked) reading() contender {
	r := newRound(s.names)
	return contender{name: s.shop.name, do: func(n int) error {
		for range n {
			if _, err := s.get(r.next()); err != nil {
				return fmt.Errorf("%s: %w", s.shop.name, err)
			}
		}
		return nil
	}}
}

// writing is the contender that puts records, each under a key that is new: a cache
// fills. To be timed, so that making keys is not.
func (s *stocked) writing(records [][]byte) contender {
	last := len(s.names)
	return selfTimed(s.shop.name, func(n int) (time.Duration, error) {
		fresh := names(s.store, last, last+n)
		last += n
		began := time.Now()
		for i, name := range fresh {
			if err := s.put(name, records[i%len(records)]); err != nil {
				return 0, fmt.Errorf("%s: %w", s.shop.name, err)
			}
		}
		return time.Since(began), nil
	})
}

// remove closes the store and takes its files away.
func (s *stocked) remove() error {
	return errors.Join(s.close(), os.RemoveAll(s.dir))
}
