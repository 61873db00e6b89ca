// Package forkjoin spreads a batch of equal pieces of work over the cores that are
// there, and is done with all of it when it returns: nothing runs on behind the
// caller's back, so there is nothing to close.
package forkjoin

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Workers is how many pieces can make progress at once.
func Workers() int { return runtime.GOMAXPROCS(0) }

// Do calls do with 0 to n-1, in any order and at most [Workers] at a time, and
// returns when all calls have. After an error no new piece is begun; of several
// errors the one of the smallest piece that was tried is returned, as a
// sequential loop would have met it first. One piece, or one worker, costs no
// goroutine. A panic in a piece is raised again in the caller's goroutine, once no
// other piece is being worked on: nobody else could recover from it.
func Do(n int, do func(i int) error) error {
	workers := min(n, Workers())
	if workers <= 1 {
		for i := range n {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}
	b := batch{n: int64(n), do: do, failed: int64(n)}
	for range workers - 1 {
		b.wg.Go(b.work)
	}
	b.work() // the caller's goroutine is a worker too
	b.wg.Wait()
	if b.panicked != nil {
		panic(b.panicked)
	}
	return b.err
}

type batch struct {
	n    int64
	do   func(int) error
	next atomic.Int64
	wg   sync.WaitGroup

	mu       sync.Mutex
	failed   int64
	err      error
	panicked any
}

// work takes the next piece until none is left: pieces differ in cost, and a
// worker may lose its core for a while.
func (b *batch) work() {
	defer b.catch()
	for {
		i := b.next.Add(1) - 1
		if i >= b.n {
			return
		}
		if err := b.do(int(i)); err != nil {
			b.next.Store(b.n)
			b.fail(i, err)
		}
	}
}

func (b *batch) catch() {
	if p := recover(); p != nil {
		b.next.Store(b.n)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.panicked = p
	}
}

func (b *batch) fail(i int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i < b.failed {
		b.failed, b.err = i, err
	}
}
