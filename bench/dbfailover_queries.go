package main

import (
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hipaakit/hipaakit/dbfailover"
)

// perSecond is a unit of which more is better.
const perSecond = "queries/s"

const (
	bareDriver    = "bare driver, TLS"
	behindHAProxy = "driver through haproxy"
	callers       = 8
)

// queries measures SELECT 1 on connections that are open.
func (f *failoverBench) queries() (err error) {
	c, ours, err := f.connect(dbfailover.Careful, f.pair.Servers[0].Addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.Close(), c.Close()) }()
	direct, err := f.bare(f.pair.Servers[0].Addr, f.pair.Servers[0].Name)
	if err != nil {
		return err
	}
	defer direct.Close()
	names, pools := []string{"ours", bareDriver}, []*sql.DB{ours, direct}
	if f.haproxy != nil {
		proxied, err := f.bare(f.haproxy.usual, "localhost")
		if err != nil {
			return err
		}
		defer proxied.Close()
		names, pools = append(names, behindHAProxy), append(pools, proxied)
	}
	for _, db := range pools {
		db.SetMaxOpenConns(callers)
		db.SetMaxIdleConns(callers)
	}
	if err := f.race("dbfailover: SELECT 1, median latency", "one caller", nanoseconds, names, pools, oneByOne); err != nil {
		return err
	}
	return f.race("dbfailover: SELECT 1, queries per second", "8 callers", perSecond, names, pools, together)
}

// race measures all pools in turns; the first is ours.
func (f *failoverBench) race(table, name, unit string, names []string, pools []*sql.DB, run func(*sql.DB, int) (time.Duration, error)) error {
	var all []contender
	for i, db := range pools {
		c := selfTimed(names[i], func(n int) (time.Duration, error) { return run(db, n) })
		c.cores, c.waits = f.cores, true
		all = append(all, c)
	}
	for _, db := range pools {
		if _, err := together(db, 16*callers); err != nil { // opens all connections
			return err
		}
	}
	times, err := f.unhurried().measure(all)
	if err != nil {
		return err
	}
	value := func(i int) float64 {
		if unit == perSecond {
			return 1e9 / times[i].median
		}
		return times[i].median
	}
	r := result{Table: table, Case: name, Unit: unit, Ours: value(0), Peers: map[string]float64{}, order: names[1:]}
	for i, peer := range names[1:] {
		r.Peers[peer] = value(i + 1)
	}
	g := goal{}
	if f.haproxy != nil {
		g = goal{peer: behindHAProxy, factor: 1}
	} else {
		r.Note = errNoHAProxy.Error() + ": it was not measured."
	}
	f.add(r, g)
	return nil
}

// unhurried is a pace for what is timed on the wall between several processes: in rounds
// of 8 ms one turn of somebody else on the processor was most of a round, and answers
// differed tenfold.
func (f *failoverBench) unhurried() pace {
	p := f.pace
	if p.rounds > 3 {
		p.round, p.rounds = thorough.round, max(p.rounds, 25)
	}
	p.patience = thorough.patience
	return p
}

func selectOne(db *sql.DB) error {
	var one int
	err := db.QueryRow("SELECT 1").Scan(&one)
	if err == nil && one != 1 {
		err = errors.New("SELECT 1 is not 1")
	}
	return err
}

// oneByOne takes the median of n for each of them: a collection of garbage or another
// process in between is not the pool's.
func oneByOne(db *sql.DB, n int) (time.Duration, error) {
	times := make([]time.Duration, n)
	for i := range times {
		began := time.Now()
		if err := selectOne(db); err != nil {
			return 0, err
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[n/2] * time.Duration(n), nil
}

// together shares n among the callers.
func together(db *sql.DB, n int) (time.Duration, error) {
	var work sync.WaitGroup
	errs := make([]error, callers)
	began := time.Now()
	for i := range callers {
		work.Go(func() {
			for k := i; k < n && errs[i] == nil; k += callers {
				errs[i] = selectOne(db)
			}
		})
	}
	work.Wait()
	return time.Since(began), errors.Join(errs...)
}
