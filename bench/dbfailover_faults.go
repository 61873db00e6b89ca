package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hipaakit/hipaakit/dbfailover"
)

// fault is something that happens to the first server, and its end.
type fault struct {
	name       string
	begin, end func(*failoverBench)
	fast       time.Duration // goals
	careful    time.Duration
}

var allFaults = []fault{
	{
		"kill -9", func(f *failoverBench) { f.pair.Servers[0].Kill() }, func(f *failoverBench) { f.pair.Servers[0].Start() },
		100 * time.Millisecond, 3 * time.Second,
	},
	{
		"SIGSTOP", func(f *failoverBench) { f.pair.Servers[0].Pause() }, func(f *failoverBench) { f.pair.Servers[0].Resume() },
		time.Second, 6 * time.Second,
	},
	{
		"blackhole", func(f *failoverBench) { f.path.Blackhole() }, func(f *failoverBench) { f.path.Heal() },
		time.Second, 6 * time.Second,
	},
}

// faults lets things happen to the first server, with all clients watching the same.
func (f *failoverBench) faults() (err error) {
	clients, err := f.clients()
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.db.Close()) // closes the connector as well
		}
	}()
	if err != nil {
		return err
	}
	for _, fault := range allFaults {
		times := f.strikes(fault)
		if times == 0 {
			continue
		}
		felt := map[string][]float64{}
		for range times {
			once, err := f.strike(fault, clients)
			if err != nil {
				return fmt.Errorf("%s: %w", fault.name, err)
			}
			for name, took := range once {
				felt[name] = append(felt[name], float64(took))
			}
		}
		f.tell(fault, times, felt)
	}
	return nil
}

// strikes is how often a fault happens. In a hurry the one that is over in seconds
// happens three times and those that take haproxy a quarter of a minute once.
func (f *failoverBench) strikes(what fault) int {
	first := what.name == allFaults[0].name
	switch {
	case f.pace.rounds >= thorough.rounds:
		return 5
	case f.pace.rounds <= 3 && first:
		return 1
	case f.pace.rounds <= 3:
		return 0
	case first:
		return 3
	}
	return 1
}

// strike returns how long after the fault each client had an answer of the other server,
// and leaves everything as it was.
func (f *failoverBench) strike(what fault, clients []client) (map[string]time.Duration, error) {
	for _, c := range clients {
		if err := soon(func() error { return c.home() }); err != nil {
			return nil, fmt.Errorf("%s is not on the first server: %w", c.name, err)
		}
	}
	felt := make([]time.Duration, len(clients))
	errs := make([]error, len(clients))
	var work sync.WaitGroup
	asking := make(chan struct{}, len(clients))
	var began time.Time
	happened := make(chan struct{})
	for i, c := range clients {
		work.Go(func() {
			reached := c.moved(func() { asking <- struct{}{} })
			<-happened
			felt[i], errs[i] = reached.at.Sub(began), reached.err
		})
	}
	for range clients {
		<-asking // in the middle of its work, not before it
	}
	began = time.Now()
	what.begin(f)
	close(happened)
	work.Wait()
	what.end(f)
	all := map[string]time.Duration{}
	for i, c := range clients {
		all[c.name] = felt[i]
	}
	return all, errors.Join(errs...)
}

// tell adds a row for each profile of ours.
func (f *failoverBench) tell(what fault, times int, felt map[string][]float64) {
	middle := func(name string) float64 {
		slices.Sort(felt[name])
		return felt[name][len(felt[name])/2]
	}
	for _, p := range profiles {
		r := result{
			Table: "dbfailover: fault to first good query", Case: fmt.Sprintf("%s, %s, median of %d", what.name, p.name, times), Unit: nanoseconds, Ours: middle(p.name), Peers: map[string]float64{},
			Note: fmt.Sprintf("All clients watched the same fault, each with one query after the other, giving up each after %v.", giveUp),
		}
		for _, name := range []string{haproxyTuned, haproxyUsual} {
			if len(felt[name]) > 0 {
				r.Peers[name] = middle(name)
				r.order = append(r.order, name)
			}
		}
		if f.haproxy == nil {
			r.Note += " " + errNoHAProxy.Error() + ": it was not measured."
		}
		g := goal{most: float64(what.fast)}
		if p.timers == dbfailover.Careful {
			g.most = float64(what.careful)
		}
		f.add(r, g)
	}
}
