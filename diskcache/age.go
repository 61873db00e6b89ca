package diskcache

import (
	"context"
	"sync/atomic"
	"time"
)

// ages decides what is too old. Reading the clock takes 27 ns where it was
// measured, as long as the rest of a hit in memory, so hits use a coarse clock
// that a goroutine moves on, and read the real one only when an entry is within
// two ticks of its end. A goroutine that is late by a whole tick (17 hours with
// the default MaxAge) therefore makes no entry live longer.
type ages struct {
	opened time.Time
	max    time.Duration
	tick   int64
	coarse atomic.Int64 // nanoseconds since 1970, late by up to a tick
}

const (
	ticksPerAge = 512
	minTick     = int64(time.Millisecond)

	// clockSlack is how far a clock may have been set back between two runs.
	clockSlack = time.Hour
)

func (a *ages) init(maxAge time.Duration) {
	a.opened, a.max = time.Now(), maxAge
	a.tick = max(int64(maxAge)/ticksPerAge, minTick)
	a.coarse.Store(a.now())
}

// run moves the coarse clock until ctx is done.
func (a *ages) run(ctx context.Context) {
	t := time.NewTicker(time.Duration(a.tick))
	defer t.Stop()
	for {
		select {
		case <-t.C:
			a.coarse.Store(a.now())
		case <-ctx.Done():
			return
		}
	}
}

// now returns nanoseconds since 1970. It follows the wall clock from the moment
// the cache was opened, and so is not thrown by a step of it; while a machine is
// suspended, it may stand still.
func (a *ages) now() int64 { return a.opened.UnixNano() + int64(time.Since(a.opened)) }

// expires is when an entry stored then may no longer be served.
func (a *ages) expires(stored int64) int64 { return stored + int64(a.max) }

// live reports whether an item may be served.
func (a *ages) live(it *item) bool {
	return it.expires > a.coarse.Load()+2*a.tick || !a.expired(it.stored, a.now())
}

// fresh reports whether a record may be served. It asks the clock only about one
// that is nearly too old, or newer than the coarse clock: 50 ns of every hit.
func (a *ages) fresh(stored int64) bool {
	coarse := a.coarse.Load()
	return stored <= coarse && a.expires(stored) > coarse+2*a.tick || !a.expired(stored, a.now())
}

// expired reports whether an entry stored then may not be served now. One from
// the future was stored under a clock that was wrong; believing it would make it
// immortal.
func (a *ages) expired(stored, now int64) bool {
	age := time.Duration(now - stored)
	return age > a.max || age < -clockSlack
}
