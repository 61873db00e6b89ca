package main

import (
	"runtime"
	"slices"
	"time"
)

// pace says how long to measure.
type pace struct {
	rounds int
	round  time.Duration // of one contender
	// patience bounds what one match may take: where an operation is longer than a
	// round, there are fewer rounds. 0: no bound.
	patience time.Duration
	// clock is what goes by while work is done. nil: time.
	clock func() time.Duration
}

// fewestRounds are those of operations that are seconds long.
const fewestRounds = 3

var (
	thorough = pace{rounds: 41, round: 40 * time.Millisecond, patience: 10 * time.Second, clock: processorTime}
	hurried  = pace{rounds: 11, round: 8 * time.Millisecond, patience: 2 * time.Second, clock: processorTime}
)

// contender does something n times.
type contender struct {
	name string
	do   func(n int) error
	// batch is how many operations are done at a time. 0: one.
	batch int
	// cores is what GOMAXPROCS is while it works. 0: as it is, which is one.
	cores int
	// waits is whether it waits for anything, as for a disk or another core: then
	// only the time on the wall tells how long it takes.
	waits bool
	// timed does it instead of do where only it knows what counts: a process of its
	// own, or work that has to be prepared. nil: do is timed.
	timed func(n int) (time.Duration, error)
}

// selfTimed is a contender with a clock of its own.
func selfTimed(name string, timed func(n int) (time.Duration, error)) contender {
	return contender{name: name, timed: timed, do: func(n int) error { _, err := timed(n); return err }}
}

// timing is nanoseconds of one operation.
type timing struct{ median, best float64 }

// measure times each contender. They take turns, in an order that rotates: who
// follows a noisy neighbour should not always be the same.
func (p pace) measure(cs []contender) ([]timing, error) {
	counts := make([]int, len(cs))
	times := make([][]float64, len(cs))
	var round time.Duration
	for i, c := range cs {
		n, took, err := p.calibrate(c)
		if err != nil {
			return nil, err
		}
		counts[i] = n
		round += took
	}
	for r := range p.roundsOf(round) {
		for k := range cs {
			i := (r + k) % len(cs)
			took, err := p.timed(cs[i], counts[i])
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], float64(took)/float64(counts[i]*max(1, cs[i].batch)))
		}
	}
	all := make([]timing, len(cs))
	for i, t := range times {
		slices.Sort(t)
		all[i] = timing{median: t[len(t)/2], best: t[0]}
	}
	return all, nil
}

// roundsOf is how many rounds fit, where all contenders together take round.
func (p pace) roundsOf(round time.Duration) int {
	if p.patience == 0 {
		return p.rounds
	}
	return min(p.rounds, max(fewestRounds, int(p.patience/max(1, round))))
}

// calibrate finds how many operations fill a round, and how long they take.
func (p pace) calibrate(c contender) (int, time.Duration, error) {
	for n := 1; ; {
		took, err := p.timed(c, n)
		if err != nil {
			return 0, 0, err
		}
		fit := max(1, int(float64(n)*float64(p.round)/float64(max(1, took))))
		if took >= p.round/2 {
			return fit, took / time.Duration(n) * time.Duration(fit), nil
		}
		// Not straight to what fits: few operations say little, and the first may
		// have been slow.
		n = min(fit, 16*n)
	}
}

func (p pace) timed(c contender, n int) (time.Duration, error) {
	if c.cores > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.cores))
	}
	runtime.GC() // nobody pays for another's garbage
	if n > 1 {
		// Nor for pools that the collection emptied, or caches that another filled.
		// A single operation is so long that neither shows.
		if err := c.do(1); err != nil {
			return 0, err
		}
	}
	if c.timed != nil {
		return c.timed(n)
	}
	if c.waits {
		p.clock = nil
	}
	began := p.now()
	err := c.do(n)
	return p.now() - began, err
}

var processBegan = time.Now()

// now is what has gone by of what counts.
func (p pace) now() time.Duration {
	if p.clock == nil {
		return time.Since(processBegan)
	}
	return p.clock()
}
