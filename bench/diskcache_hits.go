package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// hitCase is a size of records, and what reading them shall reach.
type hitCase struct {
	size       int
	goal, also goal
}

// pageCacheHits reads what is on disk and in the page cache: text, and what does not
// compress.
func (s cacheBench) pageCacheHits() error {
	for _, kind := range []struct {
		input
		cases []hitCase
	}{
		{s.text, []hitCase{
			{4 << 10, goal{peer: readFile, factor: 1 / 2.5}, goal{peer: djangoGoal, factor: 1. / 25}},
			{64 << 10, goal{peer: readFile, factor: 1 / 1.3}, goal{peer: djangoGoal, factor: 1. / 6}},
			{1 << 20, goal{peer: readFile, factor: 1}, goal{peer: djangoGoal, factor: 1. / 10}},
		}},
		{s.noise, []hitCase{
			{64 << 10, goal{peer: readFile, factor: 2}, goal{}},
			{1 << 20, goal{peer: readFile, factor: 3.5}, goal{}},
		}},
	} {
		for _, c := range kind.cases {
			if err := s.pageCacheHit(kind.input, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// records are as many as make up the plan's set, which is more than a processor
// caches: of a cache of hundreds of gigabytes nothing is in there. Small ones are fewer,
// where it takes too long to make all those files.
func (s cacheBench) records(in input, size int) [][]byte {
	return cut(in.data, size, min(max(4, s.plan.cache.set/size), s.plan.cache.most))
}

func (s cacheBench) pageCacheHit(in input, c hitCase) (err error) {
	name, records := size(c.size)+" "+in.name, s.records(in, c.size)
	ours, err := s.stock(ourShop(), records)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.remove()) }()
	m := match{table: "diskcache: hit in the page cache", bytes: c.size}
	var peers []*stocked
	for _, shop := range []shop{fileShop(), badgerShop(), diskvShop(), bboltShop(), pebbleShop()} {
		peer, err := s.stock(shop, records)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, peer.remove()) }()
		peers, m.peers = append(peers, peer), append(m.peers, peer.reading())
	}
	if s.python != nil {
		dir := filepath.Join(s.dir, "django")
		if err := s.python.djangoCache(dir, peers[0].names, records); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		m.peers = append(m.peers, s.python.contenders("read")...)
		c.goal.also = []goal{c.also}
	}
	m.ours, m.note = []entrant{{name, c.goal, ours.reading()}}, s.noPython
	if err := s.play(m); err != nil {
		return err
	}
	if err := s.onDisk(name, ours, peers); err != nil {
		return err
	}
	return s.heapOfHits("in the page cache", name, c.size, goal{most: 2}, ours.reading(), m.peers)
}

// stock opens a store of that shop, full of records.
func (s cacheBench) stock(of shop, records [][]byte) (*stocked, error) {
	if s.progress != nil {
		fmt.Fprintf(s.progress, "diskcache: %d records of %s into %s\n", len(records), size(len(records[0])), of.name)
	}
	return of.stock(filepath.Join(s.dir, of.name), records)
}

// heapOfHits notes what one hit of so many bytes takes from the heap.
func (s cacheBench) heapOfHits(where, name string, bytes int, g goal, ours contender, peers []contender) error {
	mine, err := heapOf(ours, bytes)
	if err != nil {
		return err
	}
	r := result{
		Table: "diskcache: allocations of a hit " + where, Case: name, Unit: allocations,
		Ours: mine.count, Peers: map[string]float64{}, Heap: map[string]float64{"ours": mine.bytes},
	}
	for _, p := range peers {
		if p.timed != nil {
			continue // another process, whose heap cannot be counted
		}
		used, err := heapOf(p, bytes)
		if err != nil {
			return err
		}
		r.Peers[p.name], r.Heap[p.name] = used.count, used.bytes
		r.order = append(r.order, p.name)
	}
	s.add(r, g)
	return nil
}

// heapOf spreads over many operations, so that what others do meanwhile, as a
// database's own goroutines, is next to nothing; over fewer large ones, as nothing is
// collected while they are counted.
func heapOf(c contender, bytes int) (spent, error) {
	times := max(8, min(100, 8<<20/bytes))
	used, err := measureAllocs(func() error { return c.do(times) })
	return spent{used.count / float64(times), used.bytes / float64(times)}, err
}
