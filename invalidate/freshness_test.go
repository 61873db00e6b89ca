package invalidate

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func freshNode(t testing.TB) *Node {
	n, err := New(Identity{}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context(), &recorder{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(t.Context()) })
	return n
}

func TestFreshAllocatesNothing(t *testing.T) {
	n := freshNode(t)
	check := func(doubted bool) {
		t.Helper()
		ok := true
		if a := testing.AllocsPerRun(1000, func() { ok = n.Fresh("records/1") != doubted && ok }); a != 0 || !ok {
			t.Errorf("%v allocations, right answers: %v", a, ok)
		}
	}
	check(false)
	n.leases.fresh.doubt("records/1")
	check(true)
	n.leases.fresh.settle("records/1")
	check(false)
	n.leases.close()
	check(true)
}

// A store may ask Fresh under the lock that its Listener methods take.
func TestFreshUnderTheStoresLockDoesNotDeadlock(t *testing.T) {
	h := newHolder([]Peer{{Name: "w"}}, Options{Lease: time.Second, LandingTime: time.Second}, time.Now())
	var store sync.Mutex
	cache := &recorder{during: func(string) { store.Lock(); defer store.Unlock() }}
	h.start(cache)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(2000) {
			h.hear(notice{From: "w", Boot: "1", Seq: i + 1, Key: []byte("k")})
			h.hear(notice{From: "w", Boot: "1", Seq: i + 1, Key: []byte("k"), Over: true})
		}
	})
	for range 2000 {
		store.Lock()
		h.fresh.holds("k")
		store.Unlock()
	}
	wg.Wait()
	if h.fresh.doubtful.Load() != 0 {
		t.Error("doubts are left")
	}
}

func BenchmarkFresh(b *testing.B) {
	for _, doubts := range []int{0, 100} {
		b.Run("doubts="+strconv.Itoa(doubts), func(b *testing.B) {
			n := freshNode(b)
			for i := range doubts {
				n.leases.fresh.doubt(strconv.Itoa(i))
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if !n.Fresh("records/1") {
						b.Fail()
					}
				}
			})
		})
	}
}
