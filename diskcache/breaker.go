package diskcache

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// breaker keeps callers away from a disk that fails or stalls, and lets one
// through from time to time to see whether it is well again: a disk that was slow
// once must not be given up for good.
//
// It also bounds how many are inside at once. Whoever is in a stalled device cannot
// be called back, so only so many may ever be there; the others wait outside, until
// there is room or, should nobody have come out for the stall time, the verdict.
type breaker struct {
	width   int32           // how many may be inside
	until   atomic.Int64    // 0: closed, the disk is used; else when to try again, by the monotonic clock
	failed  [2]atomic.Int32 // failures in a row, of reads and of writes
	trips   atomic.Int32    // in a row
	inside  atomic.Int32    // in a call of the file system
	queued  atomic.Int32    // outside
	room    chan struct{}   // tells one of those outside to look again
	done    atomic.Uint64   // have come out
	tripped atomic.Uint64   // ever
	clock   func() int64    // nanoseconds since 1970
}

const (
	reading = 0
	writing = 1

	failuresToTrip = 3
	stallTime      = 2 * time.Second
	firstPause     = time.Second
	lastPause      = time.Minute

	// stallWidth is how many callers a device may hold, or two for each core if that
	// is more: what is in the page cache is bound by cores, and eight reads at once
	// are 80,000 in a second of a device that takes 100 us.
	stallWidth = 8
)

var (
	errTripped = errors.New("diskcache: the disk is failing and bypassed for the moment")
	errStalled = errors.New("diskcache: the disk does not answer")

	// errUntouched says that a call ended before it came to the disk.
	errUntouched = errors.New("diskcache: the disk was not asked")
)

func newBreaker(clock func() int64) breaker {
	return breaker{clock: clock, width: int32(max(stallWidth, 2*runtime.GOMAXPROCS(0))), room: make(chan struct{}, 1)}
}

// enter asks for leave to use the disk. After nil, exit must follow. Nobody may
// enter twice: he would wait for himself.
func (b *breaker) enter() error {
	if until := b.until.Load(); until != 0 {
		now := b.clock()
		// The one who moves the time is the one who tries.
		if now < until || !b.until.CompareAndSwap(until, now+int64(b.pause())) {
			return errTripped
		}
		return b.queue(func() bool { return false })
	}
	// Nobody overtakes those outside.
	if b.queued.Load() == 0 && b.take() {
		return nil
	}
	return b.queue(func() bool { return b.until.Load() != 0 })
}

// take takes room if there is any.
func (b *breaker) take() bool {
	for {
		n := b.inside.Load()
		if n >= b.width {
			return false
		}
		if b.inside.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave gives room back. Either this sees who has queued, or he, who looks once
// more after that, sees the room.
func (b *breaker) leave() {
	b.inside.Add(-1)
	b.wake()
}

func (b *breaker) wake() {
	if b.queued.Load() > 0 {
		select {
		case b.room <- struct{}{}:
		default: // somebody has been told already, and tells the next
		}
	}
}

// queue waits outside: for room, or until the disk is given up, by somebody else
// (then bypassed is true) or because nobody comes out of it.
func (b *breaker) queue(bypassed func() bool) error {
	b.queued.Add(1)
	defer b.wake() // there may be room for the next one, too, or for nobody
	defer b.queued.Add(-1)
	if b.take() {
		return nil
	}
	t := time.NewTimer(stallTime)
	defer t.Stop()
	for done := b.done.Load(); ; {
		select {
		case <-b.room:
		case <-t.C:
			if b.done.Load() == done {
				b.trip()
				return errStalled
			}
			done = b.done.Load()
			t.Reset(stallTime)
		}
		if bypassed() {
			return errTripped
		}
		if b.take() {
			return nil
		}
	}
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

// exit tells how it went. Damage, a full disk and calls that ended before they came
// to it say nothing about the device, and writes that succeed nothing about reads.
func (b *breaker) exit(how int, err error) {
	b.done.Add(1)
	b.leave()
	switch {
	case err == nil:
		if b.failed[how].Load() != 0 {
			b.failed[how].Store(0)
		}
		if b.until.Load() != 0 {
			b.trips.Store(0)
			b.until.Store(0)
		}
	case isFull(err), errors.Is(err, errUntouched):
	case errors.Is(err, errStalled), b.until.Load() != 0, b.failed[how].Add(1) >= failuresToTrip:
		b.trip()
	}
}

func (b *breaker) trip() {
	b.trips.Add(1)
	b.tripped.Add(1)
	b.failed[reading].Store(0)
	b.failed[writing].Store(0)
	b.until.Store(b.clock() + int64(b.pause()))
}

// pause doubles with every trip in a row.
func (b *breaker) pause() time.Duration {
	return min(firstPause<<min(max(b.trips.Load()-1, 0), 10), lastPause)
}
