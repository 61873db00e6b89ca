package forkjoin

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
)

func TestEveryPieceIsDoneOnce(t *testing.T) {
	for _, cores := range []int{1, 2, 7} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		for _, n := range []int{0, 1, 2, 3, 100} {
			counts := make([]atomic.Int32, n)
			if err := Do(n, func(i int) error { counts[i].Add(1); return nil }); err != nil {
				t.Fatal(err)
			}
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Fatalf("%d cores: piece %d of %d was done %d times", cores, i, n, c)
				}
			}
		}
	}
}

func TestFirstErrorEndsTheBatch(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var done atomic.Int32
	err := Do(1_000_000, func(i int) error {
		done.Add(1)
		if i >= 10 {
			return fmt.Errorf("piece %d: %w", i, errors.ErrUnsupported)
		}
		return nil
	})
	if !errors.Is(err, errors.ErrUnsupported) || done.Load() > 1000 {
		t.Fatalf("%v after %d pieces", err, done.Load())
	}
}

// TestPanicReachesTheCaller panics in the piece of a worker, and in the caller's
// own: either way the caller can recover, and nothing runs on behind its back.
func TestPanicReachesTheCaller(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for bad := range 8 {
		var running atomic.Int32
		func() {
			defer func() {
				if p := recover(); p != "piece" {
					t.Errorf("piece %d: recovered %v", bad, p)
				}
				if n := running.Load(); n != 0 {
					t.Errorf("piece %d: %d pieces run on", bad, n)
				}
			}()
			Do(8, func(i int) error {
				running.Add(1)
				defer running.Add(-1)
				if runtime.Gosched(); i == bad {
					panic("piece")
				}
				return nil
			})
		}()
	}
}
