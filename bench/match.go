package main

import "fmt"

// match is contenders that do the same thing, each in its way.
type match struct {
	table string
	bytes int // of data in one operation
	ours  []entrant
	peers []contender
	note  string // what the table's reader has to know
}

// entrant is one of ours, which gets a line of the table.
type entrant struct {
	name string
	goal goal
	contender
}

// play measures a match and notes a result for each of ours.
func (b *bench) play(m match) error {
	var all []contender
	for _, o := range m.ours {
		all = append(all, o.contender)
	}
	times, err := b.pace.measure(append(all, m.peers...))
	if err != nil {
		return fmt.Errorf("%s, %s: %w", m.table, m.ours[0].name, err)
	}
	for i, o := range m.ours {
		r := result{Table: m.table, Case: o.name, Unit: nanoseconds, Bytes: m.bytes, Ours: times[i].median, Peers: map[string]float64{}, Note: m.note}
		for k, p := range m.peers {
			r.Peers[p.name] = times[len(m.ours)+k].median
			r.order = append(r.order, p.name)
		}
		b.add(r, o.goal)
	}
	return nil
}
