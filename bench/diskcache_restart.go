package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
)

// restart closes the cache and opens it again, some times, and notes how long it is
// until the first answer, which may be a miss, and until everything is there.
func (c *crowd) restart(walk []point) error {
	const times = 3
	var first, complete []time.Duration
	for range times {
		if err := c.cache.Close(); err != nil {
			return err
		}
		began := time.Now()
		cache, err := c.open("crowd", c.options)
		if err != nil {
			return err
		}
		c.cache = cache
		if _, err := cache.Get(keyOf(0)); err != nil && !errors.Is(err, diskcache.ErrMiss) {
			return err
		}
		first = append(first, time.Since(began))
		<-cache.Loaded()
		complete = append(complete, time.Since(began))
		if err := c.returned(); err != nil {
			return err
		}
	}
	slices.Sort(first)
	slices.Sort(complete)
	c.noteRestart("first answer", first[times/2], walk, goal{most: 100e6})
	// The promise is three seconds for ten million.
	c.noteRestart("complete", complete[times/2], walk, goal{most: 300 * float64(c.count)})
	return nil
}

// returned demands that all entries are there again, and asks for some.
func (c *crowd) returned() error {
	if st := c.cache.Stats(); st.Entries != c.count {
		return fmt.Errorf("%d entries of %d came back", st.Entries, c.count)
	}
	_, err := c.someGets(1000)
	return err
}

func (c *crowd) noteRestart(what string, took time.Duration, walk []point, g goal) {
	most := walk[len(walk)-1]
	r := result{
		Table: "diskcache: restart", Case: fmt.Sprintf("%s, %s", what, quantityOf(c.count, "entries")),
		Unit: nanoseconds, Ours: float64(took), Peers: map[string]float64{}, order: []string{"walking as many files"},
	}
	r.Peers[r.order[0]] = most.ns * float64(c.count) / most.n
	if int(most.n) < c.count {
		r.Note = fmt.Sprintf("Files were walked up to %s; the time for %d is that one, times %.4g.",
			quantityOf(int(most.n), "files"), c.count, float64(c.count)/most.n)
	}
	c.add(r, g)
}
