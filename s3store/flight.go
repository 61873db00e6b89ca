package s3store

import (
	"context"
	"maps"
	"sync"

	"github.com/hipaakit/hipaakit/diskcache"
)

// flights lets all who want the same thing from S3 share one request.
type flights struct {
	mu  sync.Mutex
	now map[flightName]*flight
}

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

// do runs fetch once for all callers of the same name. A caller whose ctx ends
// leaves alone; the request ends with the last of them, or with the store, which
// waits for it. It keeps the first caller's values but not his deadline.
func (f *flights) do(ctx context.Context, s *Store, name flightName, fetch func(context.Context) (Object, error)) (Object, error) {
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

func (f *flights) join(ctx context.Context, s *Store, name flightName, fetch func(context.Context) (Object, error)) (*flight, error) {
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
		// Deferred, so that even a fetch that panics strands nobody.
		defer func() {
			cancel()
			f.remove(name, call)
			close(call.done)
			release()
		}()
		call.object, call.err = fetch(run)
	}()
	return call, nil
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
