package diskcache

import (
	"errors"
	"sync/atomic"
	"time"
)

// breaker keeps callers away from a disk that fails or stalls, and lets one
// through from time to time to see whether it is well again: a disk that was slow
// once must not be given up for good.
type breaker struct {
	until   atomic.Int64    // 0: closed, the disk is used; else when to try again, by the monotonic clock
	failed  [2]atomic.Int32 // failures in a row, of reads and of writes
	trips   atomic.Int32    // in a row
	waiting atomic.Int32    // inside a call of the file system
	since   atomic.Int64    // when somebody first saw so many inside and none coming out
	done    atomic.Uint64
	seen    atomic.Uint64 // done, at since
	tripped atomic.Uint64 // ever
	clock   func() int64  // nanoseconds since 1970
}

const (
	reading = 0
	writing = 1

	failuresToTrip = 3
	stallTime      = 2 * time.Second
	// stallWidth is how many callers a device may hold before anybody looks at
	// the clock. So many can get stuck; whoever comes later is let pass.
	stallWidth = 8
	firstPause = time.Second
	lastPause  = time.Minute
)

var (
	errTripped = errors.New("diskcache: the disk is failing and bypassed for the moment")
	errStalled = errors.New("diskcache: the disk does not answer")
)

// enter asks for leave to use the disk. After nil, exit must follow.
func (b *breaker) enter() error {
	if until := b.until.Load(); until != 0 {
		now := b.clock()
		// The one who moves the time is the one who tries.
		if now < until || !b.until.CompareAndSwap(until, now+int64(b.pause())) {
			return errTripped
		}
	}
	if b.waiting.Add(1) > stallWidth && b.stalled() {
		b.waiting.Add(-1)
		b.trip()
		return errStalled
	}
	return nil
}

// guard writes to the disk if it may be used.
func (d *disk) guard(write func() error) error {
	if err := d.breaker.enter(); err != nil {
		return err
	}
	err := write()
	d.breaker.exit(writing, deviceError(err))
	return err
}

// exit tells how it went. Damage and a full disk say nothing about the device, and
// writes that succeed nothing about reads.
func (b *breaker) exit(how int, err error) {
	b.waiting.Add(-1)
	b.done.Add(1)
	switch {
	case err == nil || errors.Is(err, errDamaged):
		if b.failed[how].Load() != 0 {
			b.failed[how].Store(0)
		}
		if b.until.Load() != 0 {
			b.trips.Store(0)
			b.until.Store(0)
		}
	case isFull(err):
	case errors.Is(err, errStalled), b.until.Load() != 0, b.failed[how].Add(1) >= failuresToTrip:
		b.trip()
	}
}

// stalled reports whether nothing has come out for the stall time.
func (b *breaker) stalled() bool {
	done, now := b.done.Load(), b.clock()
	if b.since.Load() == 0 || b.seen.Load() != done {
		b.seen.Store(done)
		b.since.Store(now)
		return false
	}
	return now-b.since.Load() >= int64(stallTime)
}

func (b *breaker) trip() {
	b.trips.Add(1)
	b.tripped.Add(1)
	b.failed[reading].Store(0)
	b.failed[writing].Store(0)
	b.since.Store(0)
	b.until.Store(b.clock() + int64(b.pause()))
}

// pause doubles with every trip in a row.
func (b *breaker) pause() time.Duration {
	return min(firstPause<<min(max(b.trips.Load()-1, 0), 10), lastPause)
}
