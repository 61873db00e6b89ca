package diskcache

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	lru "github.com/hashicorp/golang-lru/v2"
)

// workload is a sequence of keys.
type workload struct {
	name  string
	slack float64 // by how much LRU may be better
	next  func(i int) int
}

// workloads are those on which policies differ. n is about how many entries fit.
func workloads(n int) []workload {
	zipf := func(seed uint64, s float64, most int) func() int {
		z := rand.NewZipf(rand.New(rand.NewPCG(seed, seed)), s, 1, uint64(most))
		return func() int { return int(z.Uint64()) }
	}
	flat, steep, mixed, moving := zipf(1, 1.01, 40*n), zipf(2, 1.2, 20*n), zipf(3, 1.1, 10*n), zipf(4, 1.1, 4*n)
	rng := rand.New(rand.NewPCG(5, 5))
	return []workload{
		{"zipf 1.01", 0, func(int) int { return flat() }},
		{"zipf 1.2", 0, func(int) int { return steep() }},
		{"zipf with scans", 0, func(i int) int {
			if i%(8*n) < 3*n {
				return 1<<40 + i // never seen again
			}
			return mixed()
		}},
		{"loop of 0.9", 0, func(i int) int { return i % (9 * n / 10) }},
		{"loop of 1.5", 0, func(i int) int { return i % (3 * n / 2) }},
		{"zipf with a loop", 0, func(i int) int {
			if i%2 == 0 {
				return 1<<40 + i/2%(2*n)
			}
			return mixed()
		}},
		// From here on: pure recency is what LRU is best at: no policy that asks for a second
		// use before it trusts an entry is quite as fast.
		{"moving working set", 0.012, func(i int) int { return i/(15*n)*1_000_003 + moving() }},
		{"fast moving set", 0.012, func(i int) int { return i/(6*n)*1_000_003 + moving() }},
		{"sliding window", 0.003, func(i int) int { return i/2 - int(math.Abs(rng.NormFloat64())*float64(n)/6) }},
		{"everything twice", 0.003, func(i int) int { // the second time half a cache later
			if i%2 == 0 {
				return i / 2
			}
			return max(0, i/2-n/3)
		}},
	}
}

// hitRatio asks cache for each key, and puts what is missing.
func hitRatio(w workload, requests int, get func(key int) bool, put func(key int)) float64 {
	hits := 0
	for i := range requests {
		key := w.next(i)
		if get(key) {
			hits++
		} else {
			put(key)
		}
	}
	return float64(hits) / float64(requests)
}

// simulatedSize is the size of an entry's data, in bytes.
const simulatedSize = 700

// ours runs the cache itself, on disk, and returns also how many entries it held.
func ours(t *testing.T, w workload, requests int) (ratio float64, held int) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1})
	data := NewView(noise(simulatedSize))
	ratio = hitRatio(w, requests, func(key int) bool {
		_, err := c.Get(fmt.Sprintf("%016x", key))
		return err == nil
	}, func(key int) { mustPut(t, c, fmt.Sprintf("%016x", key), data, "v") })
	st := c.Stats()
	if st.Damaged+st.DiskErrors > 0 {
		t.Errorf("%+v", st)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return ratio, st.Entries
}

// s3fifo is the policy as published, over single entries.
type s3fifo struct {
	size        int
	small, main []int
	uses        map[int]int
	ghosts      map[int]bool
	ghostOrder  []int
}

func (q *s3fifo) get(key int) bool {
	n, ok := q.uses[key]
	if ok {
		q.uses[key] = min(n+1, 3)
	}
	return ok
}

func (q *s3fifo) put(key int) {
	for len(q.small)+len(q.main) >= q.size {
		q.evict()
	}
	q.uses[key] = 0
	if q.ghosts[key] {
		q.main = append(q.main, key)
	} else {
		q.small = append(q.small, key)
	}
}

func (q *s3fifo) evict() {
	if len(q.small) >= max(1, q.size/10) {
		key := q.small[0]
		q.small = q.small[1:]
		if q.uses[key] > 0 {
			q.uses[key] = 0
			q.main = append(q.main, key)
			return
		}
		delete(q.uses, key)
		q.ghosts[key] = true
		if q.ghostOrder = append(q.ghostOrder, key); len(q.ghostOrder) > q.size*9/10 {
			delete(q.ghosts, q.ghostOrder[0])
			q.ghostOrder = q.ghostOrder[1:]
		}
		return
	}
	key := q.main[0]
	q.main = q.main[1:]
	if q.uses[key] > 0 {
		q.uses[key]--
		q.main = append(q.main, key)
	} else {
		delete(q.uses, key)
	}
}

func TestHitRatioIsNeverBelowLRUs(t *testing.T) {
	if testing.Short() {
		t.Skip("half a million requests; not with -short")
	}
	const n, requests = 1000, 25 * 1000
	for i, w := range workloads(n) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			compare(t, requests, func() workload { return workloads(n)[i] })
		})
	}
}

// compare runs one workload. Each policy gets a sequence of its own from again: they
// draw from generators.
func compare(t *testing.T, requests int, again func() workload) {
	w := again()
	got, held := ours(t, w, requests)
	l, err := lru.New[int, bool](held)
	if err != nil {
		t.Fatal(err)
	}
	twoQ, err := lru.New2Q[int, bool](held)
	if err != nil {
		t.Fatal(err)
	}
	s3 := &s3fifo{size: held, uses: make(map[int]int), ghosts: make(map[int]bool)}
	ofLRU := hitRatio(again(), requests, func(k int) bool { _, ok := l.Get(k); return ok }, func(k int) { l.Add(k, true) })
	of2Q := hitRatio(again(), requests, func(k int) bool { _, ok := twoQ.Get(k); return ok }, func(k int) { twoQ.Add(k, true) })
	ofS3 := hitRatio(again(), requests, s3.get, s3.put)
	t.Logf("%-20s ours %.3f  LRU %.3f  2Q %.3f  S3-FIFO %.3f (%d entries)", w.name, got, ofLRU, of2Q, ofS3, held)
	if got < ofLRU-w.slack {
		t.Errorf("%s: hit ratio %.3f, LRU has %.3f", w.name, got, ofLRU)
	}
	if w.slack == 0 && got < ofS3-0.02 {
		t.Errorf("%s: hit ratio %.3f, S3-FIFO has %.3f", w.name, got, ofS3)
	}
}
