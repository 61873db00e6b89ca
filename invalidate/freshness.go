package invalidate

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// forever is a lease that needs no renewal.
const forever = time.Duration(math.MaxInt64)

// ended is in freshness.until once the node closes: no moment is before it.
const ended = int64(-1)

// freshness is what the hot path reads: two atomic words, and a map only while something is in doubt.
// It has a lock of its own that is never held while the Listener is called, because a store may call
// Fresh with its own lock held.
type freshness struct {
	epoch    time.Time    // all moments are counted from here, on the monotonic clock
	until    atomic.Int64 // the moment the first lease ends, in nanoseconds
	doubtful atomic.Int64 // len(doubts)

	mu     sync.RWMutex
	doubts map[string]int // how many announcements are open for the key, over all peers
}

func (f *freshness) now() time.Duration { return time.Since(f.epoch) }

// publish is called by one goroutine at a time, so only end can come between the two steps, and stays.
func (f *freshness) publish(until time.Duration) {
	if was := f.until.Load(); was != ended {
		f.until.CompareAndSwap(was, int64(until))
	}
}

// end takes no lock: whoever closes must not have to wait for a cache that hangs.
func (f *freshness) end() { f.until.Store(ended) }

// holds reads the leases before the doubts. A regained lease stores its doubts first and itself last,
// so reading in the other order could combine the doubts of before with the lease of after.
func (f *freshness) holds(key string) bool {
	if int64(f.now()) >= f.until.Load() {
		return false
	}
	if f.doubtful.Load() == 0 {
		return true
	}
	f.mu.RLock()
	_, doubted := f.doubts[key]
	f.mu.RUnlock()
	return !doubted
}

func (f *freshness) doubt(key string) {
	f.mu.Lock()
	f.doubts[key]++
	f.doubtful.Store(int64(len(f.doubts)))
	f.mu.Unlock()
}

func (f *freshness) settle(key string) {
	f.mu.Lock()
	if f.doubts[key]--; f.doubts[key] <= 0 {
		delete(f.doubts, key)
	}
	f.doubtful.Store(int64(len(f.doubts)))
	f.mu.Unlock()
}
