package s3store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// deleters is how many deletions of [Store.DeleteAll] are under way at once. They go
// one by one and not in S3's batches of 1,000: each key is announced to the peers
// and its outcome is known by itself. S3 charges nothing for either.
const deleters = 8

// DeleteAll deletes every object whose key begins with prefix, as [Store.Delete]
// does, and returns how many. What is written while it runs may stay. It stops at
// the first error; what was deleted before is deleted. The prefix must not be empty:
// a variable that nobody set is no reason to delete everything.
func (s *Store) DeleteAll(ctx context.Context, prefix string) (deleted int, err error) {
	if prefix == "" {
		return 0, failure("delete", prefix, fmt.Errorf("%w: an empty prefix", ErrInvalid))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := make(chan string)
	var n atomic.Int64
	var wg sync.WaitGroup
	for range deleters {
		wg.Go(func() {
			for key := range keys {
				if err := s.Delete(ctx, key); err != nil {
					cancel(err)
					continue // the sender must not be left waiting
				}
				n.Add(1)
			}
		})
	}
	for l, err := range s.List(ctx, prefix) {
		if err != nil {
			cancel(err)
			break
		}
		keys <- l.Key
		if ctx.Err() != nil {
			break
		}
	}
	close(keys)
	wg.Wait()
	if ctx.Err() != nil {
		err = failure("delete", prefix, context.Cause(ctx))
	}
	return int(n.Load()), err
}
