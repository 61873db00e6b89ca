package s3store

import (
	"context"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/hipaakit/hipaakit/diskcache"
)

// flights lets all who want the same thing from S3 share one request.
type flights struct {
	mu  sync.Mutex
	now map[flightName]*flight
	// late is the bytes of data that are still being inserted while those who asked
	// have them already.
	late atomic.Int64
}

// maxLate bounds late: where the disk is slower than S3, callers wait for the disk.
const maxLate = 64 << 20

// flightName is a key at one moment of its life: see [Store.ask].
type flightName struct {
	key   string
	fence diskcache.Fence
}

type flight struct {
	waiting int
	cancel  context.CancelFunc
	done    chan struct{} // closed when object and err are set
	object  Object
	err     error
}

// fetcher gets an object, and says what to do with it that nobody needs to wait for;
// nil: nothing.
type fetcher func(context.Context) (o Object, after func(), err error)

// do runs fetch once for all callers of the same name. A caller whose ctx ends
// leaves alone; the request ends with the last of them, or with the store, which
// waits for it. It keeps the first caller's values but not his deadline.
func (f *flights) do(ctx context.Context, s *Store, name flightName, fetch fetcher) (Object, error) {
	call, err := f.join(ctx, s, name, fetch)
	if err != nil {
		return Object{}, err
	}
	select {
	case <-call.done:
		o := call.object
		o.Metadata = maps.Clone(o.Metadata) // each caller may do with it what he likes
		return o, call.err
	case <-ctx.Done():
		f.leave(name, call)
		return Object{}, context.Cause(ctx)
	}
}

func (f *flights) join(ctx context.Context, s *Store, name flightName, fetch fetcher) (*flight, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call := f.now[name]; call != nil {
		call.waiting++
		return call, nil
	}
	run, release, err := s.work(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(run)
	call := &flight{waiting: 1, cancel: cancel, done: make(chan struct{}), err: ErrUnavailable}
	if f.now == nil {
		f.now = make(map[flightName]*flight)
	}
	f.now[name] = call
	go func() {
		defer release()
		defer cancel()
		defer f.remove(name, call)
		if after := f.fetch(run, name, call, fetch); after != nil {
			defer f.late.Add(-call.object.Size)
			runtime.Gosched() // first those who have waited
			after()
		}
	}()
	return call, nil
}

// fetch hands the object to those who wait before it is inserted: to seal and write it
// may take as long as the reading did. The flight stays where it can be joined, so that
// nobody asks S3 in between.
func (f *flights) fetch(run context.Context, name flightName, call *flight, fetch fetcher) (after func()) {
	// Deferred, so that even a fetch that panics strands nobody.
	defer func() {
		if after == nil {
			f.remove(name, call) // who comes from here on asks anew, as after an error
		}
		close(call.done)
	}()
	call.object, after, call.err = fetch(run)
	if after != nil && f.late.Add(call.object.Size) > maxLate {
		f.late.Add(-call.object.Size)
		after()
		after = nil
	}
	return after
}

// leave cancels a flight that nobody waits for any more, and takes it out of
// sight: who comes next must not join a request that is ending.
func (f *flights) leave(name flightName, call *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call.waiting--; call.waiting == 0 {
		call.cancel()
		if f.now[name] == call {
			delete(f.now, name)
		}
	}
}

func (f *flights) remove(name flightName, call *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now[name] == call {
		delete(f.now, name)
	}
}
