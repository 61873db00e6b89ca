package s3store

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	maxTries   = 5
	firstPause = 50 * time.Millisecond
	maxPause   = 3 * time.Second

	// A retry costs retryCost, an answered request earns one; a full budget pays
	// for 100 retries. When S3 is down, a store so adds at most a fifth to the load
	// that it is down under, whatever its callers do.
	fullBudget = 500
	retryCost  = 5
)

// retries says whether and when to try again. One budget serves the whole store.
type retries struct {
	spent atomic.Int64
	first time.Duration // 0: firstPause
}

// allowed reports whether there is a try after number try (from 0), and pays.
func (r *retries) allowed(try int) bool {
	if try+1 >= maxTries {
		return false
	}
	if r.spent.Add(retryCost) > fullBudget {
		r.spent.Add(-retryCost)
		return false
	}
	return true
}

func (r *retries) succeeded() {
	for {
		spent := r.spent.Load()
		if spent <= 0 || r.spent.CompareAndSwap(spent, spent-1) {
			return
		}
	}
}

// pause is drawn evenly from zero to a bound that doubles ("full jitter", M.
// Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015):
// clients that failed together do not come back together.
func (r *retries) pause(try int) time.Duration {
	first := firstPause
	if r.first > 0 {
		first = r.first
	}
	return rand.N(min(first<<min(try, 16), maxPause)) + 1
}
