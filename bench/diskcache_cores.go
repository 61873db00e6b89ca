package main

import "fmt"

// memoryOnAllCores notes what a hit costs where every core asks at the same time, and
// what that gains. Unlike the gains of sealing, it is not the time of one operation
// that gets shorter, but that there are more at once.
func (s cacheBench) memoryOnAllCores(all []inMemory, entries int) error {
	if s.cores < 2 {
		return nil
	}
	times, gains, err := s.scaling(all, entries)
	for try := 1; err == nil && try < tries && gains[bareMap] < enough; try++ {
		var again map[string]float64
		var faster result
		if faster, again, err = s.scaling(all, entries); err == nil && again[bareMap] > gains[bareMap] {
			times, gains = faster, again
		}
	}
	if err != nil {
		return err
	}
	gained := result{
		Table: "diskcache: gain of all cores", Case: times.Case, Unit: gain,
		Ours: gains["ours"], Peers: map[string]float64{}, order: times.order,
	}
	for _, p := range times.order {
		gained.Peers[p] = gains[p]
	}
	if gains[bareMap] < enough {
		gained.Void = "no second core"
	}
	s.add(times, goal{})
	s.add(gained, goal{peer: golangLRU, factor: 1})
	return nil
}

// scaling is the time of an operation on all cores, and by how much more are done
// than on one.
func (s cacheBench) scaling(all []inMemory, entries int) (times result, gains map[string]float64, err error) {
	var cs []contender
	for _, m := range all {
		alone := m.reading(entries, 1)
		alone.waits = true // by the same clock
		cs = append(cs, alone, m.reading(entries, s.cores))
	}
	took, err := s.pace.measure(cs)
	if err != nil {
		return times, nil, err
	}
	times = result{
		Table: "diskcache: hit in memory", Case: fmt.Sprintf("%s, %d cores", quantityOf(entries, "entries"), s.cores),
		Unit: nanoseconds, Peers: map[string]float64{},
	}
	gains = map[string]float64{}
	for i, m := range all {
		gains[m.name] = took[2*i].best / took[2*i+1].best
		if i == 0 {
			times.Ours = took[1].median
			continue
		}
		times.Peers[m.name] = took[2*i+1].median
		times.order = append(times.order, m.name)
	}
	return times, gains, nil
}
