package diskcache

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// churn puts n small entries that nobody asks for again.
func churn(t testing.TB, c *Cache, from, n int) {
	t.Helper()
	for i := range n {
		key := fmt.Sprint("churn", from+i)
		mustPut(t, c, key, NewView(content(key, 1, 3000)), "v")
	}
}

// TestWhatIsUsedStaysThoughTheCacheIsRewrittenManyTimes: small and large, of a group
// and of none, also if the uses are seen by the memory tier only; what is not used
// goes.
func TestWhatIsUsedStaysThoughTheCacheIsRewrittenManyTimes(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{-1, 300 << 10} {
		dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: memory, Keys: testKeys{}}
		c := open4test(t, dir, o)
		size := func(i int) int { return []int{10, 1000, 5000, 40_000}[i%4] }
		for i := range 8 {
			key := fmt.Sprint("used", i)
			m := Meta{Version: "v", Blob: []byte(key)}
			if i >= 4 {
				m.Group = "g"
			}
			if err := c.Put(key, NewView(content(key, 2*i+1, size(i))), m, c.Fence(key)); err != nil {
				t.Fatal(err)
			}
		}
		mustPut(t, c, "unused", NewView([]byte("x")), "v")
		for round := range 200 {
			for i := range 8 {
				key := fmt.Sprint("used", i)
				e := wantHit(t, c, key, content(key, 2*i+1, size(i)))
				if string(e.Blob) != key || (e.Group == "g") != (i >= 4) || e.Suspect {
					t.Fatalf("round %d: %v of group %q", round, e, e.Group)
				}
			}
			churn(t, c, round*10, 10)
		}
		if st := c.Stats(); st.Reinserted < 6 || st.Evicted < 100 || st.Damaged+st.DiskErrors > 0 {
			t.Errorf("%+v", st)
		}
		if _, ok := c.peekSlot(c.hash("unused")); ok {
			t.Error("what nobody asked for is still on disk")
		}
		c = reopen(t, c, dir, o)
		for i := range 8 {
			key := fmt.Sprint("used", i)
			if e := wantHit(t, c, key, content(key, 2*i+1, size(i))); !e.Suspect {
				t.Error("believed after a restart")
			}
		}
	}
}

// TestCopyIsAsSuspectAsItsOriginal, and as old.
func TestCopyIsAsSuspectAsItsOriginal(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, MaxAge: time.Hour})
		mustPut(t, c, "confirmed", NewView([]byte("x")), "v")
		mustPut(t, c, "suspect", NewView([]byte("y")), "v")
		c.Suspect()
		if !c.Confirm("confirmed", "v", c.Fence("confirmed")) {
			t.Fatal("not confirmed")
		}
		for i := range 100 {
			if wantHit(t, c, "confirmed", []byte("x")).Suspect || !wantHit(t, c, "suspect", []byte("y")).Suspect {
				t.Fatal("a copy is not as suspect as its original")
			}
			churn(t, c, i*20, 20)
		}
		if st := c.Stats(); st.Reinserted < 2 {
			t.Fatalf("they were not copied: %+v", st)
		}
		if !c.Confirm("suspect", "v", c.Fence("suspect")) || wantHit(t, c, "suspect", []byte("y")).Suspect {
			t.Error("a copy cannot be confirmed")
		}
		time.Sleep(time.Hour + time.Second)
		wantMiss(t, c, "confirmed")
	})
}

// TestDropDuringACopyIsNotUndone: keys are used and dropped while their segments are
// being reclaimed; what was dropped is a miss, now and after the process is killed.
func TestDropDuringACopyIsNotUndone(t *testing.T) {
	t.Parallel()
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !stop.Load(); i += 5 {
			churn(t, c, i, 5)
		}
	})
	for round := 0; c.Stats().Reinserted < 40; round++ {
		for k := range 20 {
			mustPut(t, c, fmt.Sprint("k", k), NewView(content("k", round, 500)), fmt.Sprint(round))
		}
		// Until the first are being copied; what is dropped then may be on its way.
		for before := c.Stats().Reinserted; c.Stats().Reinserted == before; {
			for k := range 20 {
				if e, err := c.Get(fmt.Sprint("k", k)); err == nil && !is(e, content("k", round, 500)) {
					t.Fatal("wrong bytes")
				}
			}
		}
		for k := range 10 { // the others stay
			key := fmt.Sprint("k", k)
			c.Drop(key)
			wantMiss(t, c, key)
		}
	}
	stop.Store(true)
	wg.Wait()
	killed := open4test(t, writeFolder(t, onDisk(t, dir)), o)
	for i := range 10 {
		wantMiss(t, c, fmt.Sprint("k", i))
		wantMiss(t, killed, fmt.Sprint("k", i))
	}
	if st := c.Stats(); st.Damaged+st.DiskErrors > 0 {
		t.Errorf("%+v", st)
	}
}

// TestOnePutDoesABoundedShareOfReclaiming: no Put looks at more than its share of
// records, though a segment holds many more.
func TestOnePutDoesABoundedShareOfReclaiming(t *testing.T) {
	t.Parallel()
	var writes atomic.Int64
	count := func(f file) file {
		return hookedFile{f, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
			writes.Add(1)
			return write()
		}}
	}
	c := open4test(t, newDir(t), Options{MaxBytes: 4 << 20, MemoryBytes: -1, wrap: count}) // segments of 16 KiB, 65 records
	most, data := int64(0), NewView(noise(100))
	for i := 0; c.Stats().Reinserted < 500; i++ {
		key := fmt.Sprint(i % 30_000)
		before := writes.Load()
		mustPut(t, c, key, data, "v")
		most = max(most, writes.Load()-before)
		if _, err := c.Get(fmt.Sprint(i / 2 % 30_000)); err != nil && !errors.Is(err, ErrMiss) {
			t.Fatal(err)
		}
	}
	if st := c.Stats(); st.Evicted < 5 {
		t.Errorf("%+v", st)
	}
	if most > 40 {
		t.Errorf("one Put made %d writes", most)
	}
}

func TestPolicyAdaptsTheShareOfProbation(t *testing.T) {
	var p policy
	p.init()
	if q := p.admit(1<<20, 100); q != probation {
		t.Error("a stranger is not on probation")
	}
	for i := range uint64(50) {
		hash := i<<50 | i<<8
		p.remember(hash, probation)
		if q := p.admit(hash, 100); q != mainQueue {
			t.Fatal("a ghost is not recognised")
		}
		if q := p.admit(hash, 100); q != probation {
			t.Fatal("a ghost counts twice")
		}
	}
	if p.share < 0.9 {
		t.Errorf("probation was too small 50 times and has %.2f", p.share)
	}
	for i := range uint64(100) {
		hash := i<<50 | i<<8
		p.remember(hash, mainQueue)
		p.admit(hash, 100)
	}
	if p.share > 0.1 || p.share < leastShare {
		t.Errorf("the main queue was too small 100 times and probation has %.2f", p.share)
	}
	if p.victim(5, 95) != probation && p.share < 0.05 || p.victim(0, 100) != mainQueue {
		t.Error("the wrong queue gives")
	}
}
