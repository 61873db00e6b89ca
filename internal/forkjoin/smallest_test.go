package forkjoin

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestErrorOfTheSmallestPieceIsReturned lets two pieces fail that were begun together,
// in either order: which of them is faster must not decide what the caller hears.
func TestErrorOfTheSmallestPieceIsReturned(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	smaller, larger := errors.New("piece 0"), errors.New("piece 1")
	for name, slow := range map[string]int{"smaller first": 1, "larger first": 0} {
		synctest.Test(t, func(t *testing.T) {
			// Time passes in the bubble once nobody is left to run: when the fast
			// piece's error is recorded.
			err := Do(2, func(i int) error {
				time.Sleep(time.Second) // both are begun
				if i == slow {
					time.Sleep(time.Second)
				}
				return []error{smaller, larger}[i]
			})
			if err != smaller {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
