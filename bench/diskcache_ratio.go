package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/hipaakit/hipaakit/diskcache"
)

// simulatedBytes is the size of a record of which many are asked for; it does not
// compress, so that their number is as good as fixed.
const simulatedBytes = 700

// hitRatios counts hits on sequences of keys where policies differ. Ours is the cache
// itself, on disk; the peers hold as many entries as it held at the end.
func (s cacheBench) hitRatios() error {
	for _, w := range workloads {
		ratio, held, err := s.ourRatio(w)
		if err != nil {
			return err
		}
		r := result{Table: "diskcache: hit ratio", Case: w.name, Unit: hits, Ours: ratio, Peers: map[string]float64{}}
		policies, err := peerPolicies(held)
		if err != nil {
			return err
		}
		for _, p := range policies {
			r.Peers[p.name] = w.ratio(s.fits(), s.plan.cache.laps, p.policy)
			r.order = append(r.order, p.name)
		}
		g := goal{peer: "LRU", factor: 1}
		if r.Peers["S3-FIFO"] > r.Peers["LRU"] {
			g.also = []goal{{peer: "S3-FIFO", factor: 1 / 0.98}}
		}
		s.add(r, g)
	}
	return nil
}

// fits is about how many records fit: each has some 200 bytes more.
func (s cacheBench) fits() int { return int(s.plan.cache.simulated / (simulatedBytes + 200)) }

// policy keeps some of what it is given.
type policy struct {
	get func(key int) bool
	put func(key int)
}

// ratio asks for one key after the other, laps times n, and puts what is missing.
func (w workload) ratio(n, laps int, p policy) float64 {
	next, found := w.make(n), 0
	for i := range laps * n {
		key := next(i)
		if p.get(key) {
			found++
		} else {
			p.put(key)
		}
	}
	return float64(found) / float64(laps*n)
}

func (s cacheBench) ourRatio(w workload) (ratio float64, held int, err error) {
	c, err := s.open("simulated", diskcache.Options{MaxBytes: s.plan.cache.simulated, MemoryBytes: -1})
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		err = errors.Join(err, c.Close(), os.RemoveAll(filepath.Join(s.dir, "simulated")))
	}()
	record := make([]byte, simulatedBytes)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(record)
	var failed error
	ratio = w.ratio(s.fits(), s.plan.cache.laps, policy{
		get: func(key int) bool { _, err := c.Get(keyOf(key)); return err == nil },
		put: func(key int) {
			if err := put(c, keyOf(key), record); err != nil {
				failed = err
			}
		},
	})
	return ratio, c.Stats().Entries, failed
}

type namedPolicy struct {
	name string
	policy
}

func peerPolicies(size int) ([]namedPolicy, error) {
	l, err := lru.New[int, bool](size)
	if err != nil {
		return nil, err
	}
	q, err := lru.New2Q[int, bool](size)
	if err != nil {
		return nil, err
	}
	o, err := otter.New(&otter.Options[int, bool]{
		MaximumSize: size,
		Executor:    func(do func()) { do() }, // at once: what it forgets must not depend on the scheduler
	})
	if err != nil {
		return nil, err
	}
	s3 := newS3FIFO(size)
	return []namedPolicy{
		{"LRU", policy{func(k int) bool { _, ok := l.Get(k); return ok }, func(k int) { l.Add(k, true) }}},
		{"2Q", policy{func(k int) bool { _, ok := q.Get(k); return ok }, func(k int) { q.Add(k, true) }}},
		{"otter", policy{func(k int) bool { _, ok := o.GetIfPresent(k); return ok }, func(k int) { o.Set(k, true) }}},
		{"S3-FIFO", policy{s3.get, s3.put}},
	}, nil
}
