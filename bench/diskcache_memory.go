package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/hipaakit/hipaakit/diskcache"
)

// inMemory finds a key in memory: ours, or a peer.
type inMemory struct {
	name string
	get  func(key string) (diskcache.View, bool)
}

const golangLRU = "golang-lru"

// memoryHits reads what is in memory. No contender copies it. Of few entries, all that
// is looked at is in the processor's cache, and what counts is how much there is to do;
// of many, how often it has to wait for memory.
func (s cacheBench) memoryHits() error {
	for _, n := range s.plan.cache.inMemory {
		g := goal{peer: golangLRU, factor: 1.5}
		if n == s.plan.cache.inMemory[0] {
			g.most = 150
		}
		if err := s.memoryHit(n, g); err != nil {
			return err
		}
	}
	return nil
}

func (s cacheBench) memoryHit(entries int, g goal) error {
	const bytes = 4 << 10
	records := cut(s.text.data, bytes, entries)
	c, err := s.open("memory", diskcache.Options{MemoryBytes: 2 * int64(entries) * bytes})
	if err != nil {
		return err
	}
	defer c.Close()
	all, done, err := rememberers(c, records)
	if err != nil {
		return err
	}
	defer done()
	m := match{table: "diskcache: hit in memory"}
	for _, r := range all[1:] {
		m.peers = append(m.peers, r.reading(entries, 1))
	}
	name, ours := quantityOf(entries, "entries"), all[0].reading(entries, 1)
	m.ours = []entrant{{name + ", one core", g, ours}}
	if err := s.play(m); err != nil {
		return err
	}
	if err := s.heapOfHits("in memory", name, bytes, goal{none: true}, ours, m.peers); err != nil {
		return err
	}
	return s.memoryOnAllCores(all, entries)
}

// rememberers hold all records, the cache of ours first.
func rememberers(c *diskcache.Cache, records [][]byte) (all []inMemory, done func(), err error) {
	n := len(records)
	l, err := lru.New[string, diskcache.View](n)
	if err != nil {
		return nil, nil, err
	}
	o, err := otter.New(&otter.Options[string, diskcache.View]{MaximumSize: 2 * n})
	if err != nil {
		return nil, nil, err
	}
	r, err := ristretto.NewCache(&ristretto.Config[string, diskcache.View]{NumCounters: 20 * int64(n), MaxCost: 2 * int64(n), BufferItems: 64, IgnoreInternalCost: true})
	if err != nil {
		return nil, nil, err
	}
	bare := make(map[string]diskcache.View, n)
	for i, record := range records {
		key, v := keyOf(i), diskcache.NewView(record)
		if err := put(c, key, record); err != nil {
			r.Close()
			return nil, nil, err
		}
		l.Add(key, v)
		o.Set(key, v)
		bare[key] = v
	}
	// It forgets what it is given under load, so it is given it until it has it all.
	for missing := n; missing > 0; r.Wait() {
		missing = 0
		for key, v := range bare {
			if _, ok := r.Get(key); !ok {
				missing++
				r.Set(key, v, 1)
			}
		}
	}
	all = []inMemory{
		{"ours", func(key string) (diskcache.View, bool) { e, err := c.Get(key); return e.Data, err == nil }},
		{golangLRU, l.Get}, {"otter", o.GetIfPresent}, {"ristretto", r.Get},
		{bareMap, func(key string) (diskcache.View, bool) { v, ok := bare[key]; return v, ok }},
	}
	for _, m := range all {
		if err := m.prove(records); err != nil {
			r.Close()
			return nil, nil, err
		}
	}
	return all, r.Close, nil
}

// prove looks every record up once.
func (m inMemory) prove(records [][]byte) error {
	for i, record := range records {
		v, ok := m.get(keyOf(i))
		if !ok || v.Len() != len(record) || v.Len() > 0 && v.At(v.Len()-1) != record[len(record)-1] {
			return fmt.Errorf("%s: what was found is not what was stored", m.name)
		}
	}
	return nil
}

// bareMap is no cache: nothing is noted, nothing can be added while others read. It
// says what there is to be had on this machine, and what a second core gains.
const bareMap = "bare map"

// reading is the contender that looks all keys up, around and around, by so many
// goroutines on as many cores, each with a share of n.
func (m inMemory) reading(entries, cores int) contender {
	var keys []string
	for i := range entries {
		keys = append(keys, keyOf(i))
	}
	rounds := make([]*round, cores)
	for i := range rounds {
		rounds[i] = newRound(keys)
		rounds[i].at = i * entries / cores // not all the same keys at the same time
	}
	one := func(r *round, n int) error {
		for range n {
			if _, ok := m.get(r.next()); !ok {
				return errors.New(m.name + ": a miss")
			}
		}
		return nil
	}
	if cores == 1 {
		return contender{name: m.name, cores: 1, do: func(n int) error { return one(rounds[0], n) }}
	}
	return contender{name: m.name, cores: cores, waits: true, do: func(n int) error {
		errs := make([]error, cores)
		var wg sync.WaitGroup
		for i, r := range rounds {
			wg.Go(func() { errs[i] = one(r, (i+1)*n/cores-i*n/cores) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}}
}
