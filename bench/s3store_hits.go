package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/s3store"
)

var hitSizes = []int{4 << 10, 64 << 10, 1 << 20}

// shelf is objects that are in a store's cache.
type shelf struct {
	store *s3store.Store
	cache *diskcache.Cache
	keys  []string
	size  int
}

func (s *storeBench) shelf(store *s3store.Store, cache *diskcache.Cache, size int) (*shelf, error) {
	sh := &shelf{store: store, cache: cache, size: size}
	for i, record := range cut(s.text.data, size, max(4, min(64, len(s.text.data)/size))) {
		key := fmt.Sprintf("hits/%d/%d", size, i)
		if _, err := store.Put(context.Background(), key, bytes.NewReader(record), s3store.PutOptions{}); err != nil {
			return nil, err
		}
		o, err := store.Get(context.Background(), key)
		if err != nil || !bytes.Equal(o.Data.Bytes(), record) {
			return nil, fmt.Errorf("what was read is not what was stored: %w", err)
		}
		sh.keys = append(sh.keys, key)
	}
	return sh, nil
}

// ours is Store.Get, and peer is what it can at best be: the Get of its cache.
func (sh *shelf) ours() contender {
	at := 0
	return each("s3store", func() error {
		at++
		_, err := sh.store.Get(context.Background(), sh.keys[at%len(sh.keys)])
		return err
	})
}

func (sh *shelf) peer() contender {
	at := 0
	return each("diskcache", func() error {
		at++
		_, err := sh.cache.Get(sh.keys[at%len(sh.keys)])
		return err
	})
}

func (s *storeBench) memoryHits() error {
	for _, size := range hitSizes {
		sh, err := s.shelf(s.store, s.cache, size)
		if err != nil {
			return err
		}
		times, err := s.pace.measure([]contender{sh.ours(), sh.peer()})
		if err != nil {
			return err
		}
		ours, peer := times[0].median, times[1].median
		peers := map[string]float64{"diskcache": peer}
		s.add(result{Table: "s3store: hit in memory, what it takes over its cache", Case: quantitySize(size),
			Unit: nanoseconds, Ours: max(1, ours-peer), Peers: peers, order: []string{"diskcache"}}, goal{most: 150})
		if err := s.heap("memory", sh); err != nil {
			return err
		}
	}
	return nil
}

func (s *storeBench) diskHits() error {
	for _, size := range hitSizes {
		sh, err := s.shelf(s.fromDisk, s.onlyDisk, size)
		if err != nil {
			return err
		}
		m := match{table: "s3store: hit on disk", bytes: size, peers: []contender{sh.peer()},
			ours: []entrant{{quantitySize(size), goal{peer: "diskcache", factor: 1.15}, sh.ours()}}}
		if err := s.play(m); err != nil {
			return err
		}
		if err := s.heap("disk", sh); err != nil {
			return err
		}
	}
	return nil
}

// heap counts what a hit takes from it.
func (s *storeBench) heap(tier string, sh *shelf) error {
	const times = 100
	count := func(c contender) (spent, error) {
		used, err := measureAllocs(func() error { return c.do(times) })
		return spent{used.count / times, used.bytes / times}, err
	}
	ours, err := count(sh.ours())
	if err != nil {
		return err
	}
	peer, err := count(sh.peer())
	if err != nil {
		return err
	}
	s.add(result{Table: "s3store: allocations of a hit", Case: tier + ", " + quantitySize(sh.size), Unit: allocations,
		Ours: ours.count, Peers: map[string]float64{"diskcache": peer.count}, order: []string{"diskcache"},
		Heap: map[string]float64{"ours": ours.bytes, "diskcache": peer.bytes}}, goal{most: peer.count + 0.01})
	return nil
}

func quantitySize(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
