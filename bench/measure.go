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
}

var (
	thorough = pace{rounds: 41, round: 40 * time.Millisecond}
	hurried  = pace{rounds: 11, round: 15 * time.Millisecond}
)

// contender does something n times.
type contender struct {
	name string
	do   func(n int) error
}

// measure returns the median nanoseconds of one operation of each contender.
// They take turns, in an order that rotates: who follows a noisy neighbour
// should not always be the same.
func (p pace) measure(cs []contender) ([]float64, error) {
	counts := make([]int, len(cs))
	times := make([][]float64, len(cs))
	for i, c := range cs {
		n, err := p.calibrate(c)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	for r := range p.rounds {
		for k := range cs {
			i := (r + k) % len(cs)
			took, err := timed(cs[i], counts[i])
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], float64(took)/float64(counts[i]))
		}
	}
	medians := make([]float64, len(cs))
	for i, t := range times {
		slices.Sort(t)
		medians[i] = t[len(t)/2]
	}
	return medians, nil
}

// calibrate finds how many operations fill a round.
func (p pace) calibrate(c contender) (int, error) {
	for n := 1; ; {
		took, err := timed(c, n)
		if err != nil {
			return 0, err
		}
		if took >= p.round/2 {
			return max(1, int(float64(n)*float64(p.round)/float64(took))), nil
		}
		n *= 2
	}
}

func timed(c contender, n int) (time.Duration, error) {
	runtime.GC() // nobody pays for another's garbage
	began := time.Now()
	err := c.do(n)
	return time.Since(began), err
}
