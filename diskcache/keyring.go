package diskcache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// keyTimeout bounds each call of the wrapper. A keyring that hangs must not keep an
// application from starting; it starts with an empty cache.
const keyTimeout = 10 * time.Second

// answer is what a call of the wrapper came to.
type answer struct {
	b        []byte
	err      error
	panicked any
}

// ask calls a method of the wrapper with b, which it clears after, and waits for
// keyTimeout at most. A wrapper that does not look at its context cannot be stopped:
// its goroutine is then left behind, with nothing of the cache but b, and ends when
// the wrapper returns. What it returns is nobody's then.
func ask(ctx context.Context, method func(context.Context, []byte) ([]byte, error), b []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("the KeyWrapper has ended its goroutine")}
		defer func() {
			a.panicked = recover()
			clear(b)
			answered <- a
		}()
		a.b, a.err = method(ctx, b)
	}()
	select {
	case a := <-answered:
		if a.panicked != nil {
			panic(a.panicked) // where the caller can recover
		}
		return a.b, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the KeyWrapper does not answer: %w", context.Cause(ctx))
	}
}

// unwrapKey copies the key: the slice is the wrapper's, which may keep it for the
// next call.
func unwrapKey(ctx context.Context, keys KeyWrapper, wrapped []byte) (*cacheKey, error) {
	plain, err := ask(ctx, keys.UnwrapKey, wrapped)
	if err != nil {
		return nil, err
	}
	if len(plain) != len(cacheKey{}) {
		return nil, fmt.Errorf("the unwrapped key has %d bytes, not %d", len(plain), len(cacheKey{}))
	}
	key := cacheKey(plain)
	if key == (cacheKey{}) { // cleared by somebody, or never set
		return nil, errors.New("the unwrapped key is all zeros")
	}
	return &key, nil
}

// wrapKey returns nil without a wrapper.
func wrapKey(ctx context.Context, keys KeyWrapper, key *cacheKey) ([]byte, error) {
	if keys == nil {
		return nil, nil
	}
	plain := *key // the wrapper may do with it what it likes
	return ask(ctx, keys.WrapKey, plain[:])
}
