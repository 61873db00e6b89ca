package envelope

import (
	"sync"

	"github.com/hipaakit/hipaakit/internal/forkjoin"
)

// coders keeps encoders or decoders, which cost megabytes and milliseconds each,
// for those who need one next. The last one used comes first, as its tables are
// still in the core's cache: in turns they would all be cold. A sync.Pool does that
// too, but forgets them at every second garbage collection.
type coders[T any] struct {
	make func() T

	mu   sync.Mutex
	free []T
}

func (c *coders[T]) get() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.free)
	if n == 0 {
		return c.make()
	}
	coder := c.free[n-1]
	c.free = c.free[:n-1]
	return coder
}

// put keeps no more of them than can work at once.
func (c *coders[T]) put(coder T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) < forkjoin.Workers() {
		c.free = append(c.free, coder)
	}
}
