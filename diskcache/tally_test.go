package diskcache

import (
	"sync"
	"testing"
)

func TestTallyCountsWhatManyGoroutinesAdd(t *testing.T) {
	var n tally
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range 1000 {
				n.add()
			}
		})
	}
	wg.Wait()
	if n.sum() != 100_000 {
		t.Error(n.sum())
	}
	used := 0
	for i := range n {
		if n[i].n.Load() > 0 {
			used++
		}
	}
	if used < 8 {
		t.Errorf("100 goroutines met at %d counters", used)
	}
}
