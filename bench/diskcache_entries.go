package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
)

// crowd is one cache that more and more small entries are put into, on which is
// measured what depends on their number.
type crowd struct {
	cacheBench
	cache   *diskcache.Cache
	options diskcache.Options
	records [][]byte
	count   int
	bare    uint64 // bytes of heap before there was a cache
	random  *rand.Rand
}

// entryBytes is a small record: it is their number that matters here.
const entryBytes = 300

// manyEntries measures the cost of one operation as entries become more, then the
// index, then a restart.
func (s cacheBench) manyEntries() (err error) {
	c := crowd{
		cacheBench: s, records: cut(s.text.data, entryBytes, 4096), bare: liveHeap(), random: rand.New(rand.NewPCG(1, 2)),
		options: diskcache.Options{MaxBytes: max(64<<20, int64(slices.Max(s.plan.cache.entries))<<10), MemoryBytes: -1, Keys: s.keys},
	}
	if c.cache, err = s.open("crowd", c.options); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, c.cache.Close(), os.RemoveAll(filepath.Join(s.dir, "crowd")))
	}()
	files, err := s.filesByNumber()
	if err != nil {
		return err
	}
	gets, puts, err := c.costs()
	if err != nil {
		return err
	}
	s.noteCosts(gets, puts, files)
	if err := c.index(); err != nil {
		return err
	}
	return c.restart(files.walk)
}

// costs is what a get and a put take, at each number of entries of the plan.
func (c *crowd) costs() (gets, puts []point, err error) {
	for _, n := range c.plan.cache.entries {
		if c.progress != nil {
			fmt.Fprintf(c.progress, "diskcache: filling up to %s\n", quantityOf(n, "entries"))
		}
		put, err := c.grow(n)
		if err != nil {
			return nil, nil, err
		}
		took, err := c.pace.measure([]contender{selfTimed("get", c.someGets)})
		if err != nil {
			return nil, nil, err
		}
		puts, gets = append(puts, point{float64(n), put}), append(gets, point{float64(n), took[0].median})
	}
	if st := c.cache.Stats(); st.Entries != c.count || st.Evicted > 0 {
		return nil, nil, fmt.Errorf("%d entries of %d are there; is the file system full?", st.Entries, c.count)
	}
	return gets, puts, nil
}

// grow puts entries until there are n, and returns the median time of the last tenth
// of them, in ns.
func (c *crowd) grow(n int) (float64, error) {
	var times []float64
	piece := max(1, n/1000)
	for c.count < n {
		names := make([]string, min(piece, n-c.count))
		for i := range names {
			names[i] = keyOf(c.count + i)
		}
		began := c.pace.now()
		for i, name := range names {
			if err := put(c.cache, name, c.records[i%len(c.records)]); err != nil {
				return 0, err
			}
		}
		took := float64(c.pace.now()-began) / float64(len(names))
		if c.count+len(names) >= n-n/10 {
			times = append(times, took)
		}
		c.count += len(names)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// someGets gets n entries at random.
func (c *crowd) someGets(n int) (time.Duration, error) {
	names := make([]string, n)
	for i := range names {
		names[i] = keyOf(c.random.IntN(c.count))
	}
	began := c.pace.now()
	for _, name := range names {
		if e, err := c.cache.Get(name); err != nil || e.Data.Len() != entryBytes {
			return 0, fmt.Errorf("%s of %d: %d bytes, %w", name, c.count, e.Data.Len(), err)
		}
	}
	return c.pace.now() - began, nil
}

// noteCosts notes them beside those with the fewest entries, and beside Django's, and
// draws them.
func (s cacheBench) noteCosts(gets, puts []point, files fileCosts) {
	fewest := "ours, " + quantityOf(int(gets[0].n), "entries")
	for _, op := range []struct {
		name   string
		points []point
		django []point
	}{{"get", gets, nil}, {"put", puts, files.django}} {
		for i, p := range op.points {
			r := result{
				Table: "diskcache: cost by number of entries", Case: fmt.Sprintf("%s, %s", op.name, quantityOf(int(p.n), "entries")),
				Unit: nanoseconds, Ours: p.ns, Peers: map[string]float64{}, Note: s.noPython,
			}
			g := goal{}
			if i > 0 {
				r.Peers[fewest], r.order = op.points[0].ns, []string{fewest}
				g = goal{peer: fewest, factor: steady}
			}
			for _, d := range op.django {
				if d.n == p.n {
					r.Peers[inFolder], r.order = d.ns, append(r.order, inFolder)
				}
			}
			s.add(r, g)
		}
	}
	lines := []line{{"diskcache, put", true, puts}, {"diskcache, get", true, gets}}
	if len(files.django) > 0 {
		lines = append(lines, line{inFolder + ", put", false, files.django})
	}
	s.charts = append(s.charts, chart{
		title:  "One operation of a cache, by the number of its entries",
		things: "entries", lines: append(lines, line{"walking as many files", false, files.walk}),
	})
}

// inFolder is Django's cache by whichever library: nearly all of the time it lists files.
const inFolder = "Django"

// steady is by how much an operation may become slower from the fewest entries to the
// most. Not 1: of few, index and records are in the processor's cache.
const steady = 2
