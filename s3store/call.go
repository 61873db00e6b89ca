package s3store

import (
	"context"
	"errors"
	"time"
)

// errNoAnswer is the cause of a call's own deadline.
var errNoAnswer = reason{ErrUnavailable, "no answer in time", nil}

// perTimeout is how much a request can move in one [Options.CallTimeout], in bytes. A
// line slower than that, 280 kB/s by default, is taken for a stalled one.
const perTimeout = 8 << 20

// patience is how long a request that moves size bytes may take.
func (s *Store) patience(size int64) time.Duration {
	timeout := s.options.CallTimeout
	return timeout + time.Duration(float64(timeout)*float64(size)/perTimeout)
}

// limited runs one request under its own deadline. Inside it, s3Error must be asked
// with the context that request is given: only that knows why it ended.
func limited[T any](ctx context.Context, s *Store, size int64, request func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	timer := time.AfterFunc(s.patience(size), func() { cancel(errNoAnswer) })
	defer timer.Stop()
	return request(context.WithValue(ctx, deadline{}, timer))
}

// deadline is where a request's context keeps the timer that ends it.
type deadline struct{}

// extend gives the request of ctx the time that an answer of size bytes takes: how
// long that is, nobody knows before it begins.
func (s *Store) extend(ctx context.Context, size int64) {
	if timer, ok := ctx.Value(deadline{}).(*time.Timer); ok && timer.Stop() {
		timer.Reset(s.patience(size))
	}
}

// call runs a request that is safe to repeat, as one that reads or uploads a part,
// until it is answered or it is no use. request must have read the answer's body
// when it returns, and classified its error; size is how much it sends, in
// bytes.
func call[T any](ctx context.Context, s *Store, size int64, request func(context.Context) (T, error)) (T, error) {
	for try := 0; ; try++ {
		out, err := limited(ctx, s, size, request)
		if err == nil {
			s.retries.succeeded()
			return out, nil
		}
		if !errors.Is(err, ErrUnavailable) || !s.again(ctx, try) {
			return out, err
		}
	}
}

// again waits before another try, and reports whether there shall be one.
func (s *Store) again(ctx context.Context, try int) bool {
	if ctx.Err() != nil || !s.retries.allowed(try) {
		return false
	}
	s.stats.retries.Add(1)
	return sleep(ctx, s.retries.pause(try))
}
