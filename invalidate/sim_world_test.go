package invalidate

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// world is a simulated S3 and an all-seeing witness of what it holds and what readers were told.
type world struct {
	mu         sync.Mutex
	landed     map[string][]time.Time // when each version of a key landed; version n is element n-1
	shown      map[string]int         // newest version that a finished Get returned or a finished Put wrote
	violations []string
	hits, puts int
	wg         sync.WaitGroup // requests under way
}

func newWorld() *world {
	return &world{landed: map[string][]time.Time{}, shown: map[string]int{}}
}

// put sends a write that lands after a while whatever becomes of its sender.
func (w *world) put(key string, lands, answers time.Duration) <-chan int {
	out := make(chan int, 1)
	w.wg.Go(func() {
		time.Sleep(lands)
		w.mu.Lock()
		w.landed[key] = append(w.landed[key], time.Now())
		version := len(w.landed[key])
		w.mu.Unlock()
		time.Sleep(answers)
		out <- version
	})
	return out
}

func (w *world) get(key string, r *rand.Rand) int {
	time.Sleep(upTo(r, 20*time.Millisecond))
	w.mu.Lock()
	version := len(w.landed[key])
	w.mu.Unlock()
	time.Sleep(upTo(r, 20*time.Millisecond))
	return version
}

// floor is the oldest version a Get that begins now may return.
func (w *world) floor(key string) (shown, bounded int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.landed[key] {
		if time.Since(at) > simLease {
			bounded++
		}
	}
	return w.shown[key], bounded
}

func (w *world) judge(node, key string, version, shown, bounded int, hit bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hit {
		w.hits++
	}
	if version < shown {
		w.violate("%s read %s version %d after version %d had been returned", node, key, version, shown)
	}
	if version < bounded {
		w.violate("%s read %s version %d, older than the lease time allows: %d", node, key, version, bounded)
	}
	w.shown[key] = max(w.shown[key], version)
}

func (w *world) written(key string, version int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.puts++
	w.shown[key] = max(w.shown[key], version)
}

func (w *world) violate(format string, args ...any) {
	if len(w.violations) < 3 {
		w.violations = append(w.violations, fmt.Sprintf(format, args...))
	}
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d)) + 1) }

func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }
