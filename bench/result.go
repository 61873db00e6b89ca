package main

import (
	"fmt"
	"strings"
)

// Units of a result.
const (
	nanoseconds = "ns/op"
	fetched     = "bytes read"
	gain        = "times as fast" // on more cores than one
	smaller     = "times smaller" // than the data
	allocations = "allocs/op"
	perEntry    = "bytes/entry"
	hits        = "hits/request"
)

// result is one line of a table.
type result struct {
	Table string `json:"table"`
	Case  string `json:"case"`
	Unit  string `json:"unit"`
	// Bytes of data in one operation; 0 where there is no sense in it.
	Bytes int                `json:"bytes,omitempty"`
	Ours  float64            `json:"ours"`
	Peers map[string]float64 `json:"peers"`
	// Heap is the bytes taken by what is counted in allocations; "ours" are ours.
	Heap map[string]float64 `json:"heap,omitempty"`
	Goal string             `json:"goal,omitempty"` // empty: nothing was promised
	Met  bool               `json:"met"`
	// Void is why this run cannot judge the goal; empty: it can.
	Void string `json:"void,omitempty"`
	// Note is what a reader of the table has to know, such as who is missing.
	Note string `json:"note,omitempty"`

	order []string // of the peers, as they were given
}

// better is how many times better ours is than the peer: faster, smaller, with
// more gain, or more hits.
func (r result) better(peer string) float64 {
	if r.Unit == gain || r.Unit == smaller || r.Unit == hits || r.Unit == perSecond {
		return r.Ours / r.Peers[peer]
	}
	return r.Peers[peer] / r.Ours
}

// goal is what ours must reach. The zero goal is none.
type goal struct {
	peer   string  // beside which
	factor float64 // at most so many times the peer's time
	ahead  bool    // and ahead of all other peers
	most   float64 // and, if not 0, at most that much, in the result's unit
	none   bool    // and nothing at all
	also   []goal  // and these
}

// in is the goal in words, where most is of that unit.
func (g goal) in(unit string) string {
	var s []string
	switch {
	case g.peer == "":
	case g.factor < 1:
		s = append(s, fmt.Sprintf("%.3g times as fast as %s", 1/g.factor, g.peer))
	default:
		s = append(s, fmt.Sprintf("%.3g of %s", 1/g.factor, g.peer))
	}
	if g.ahead {
		s = append(s, "ahead of the others")
	}
	if g.most > 0 {
		s = append(s, "at most "+quantity(g.most, unit))
	}
	if g.none {
		s = append(s, "none")
	}
	for _, more := range g.also {
		if words := more.in(unit); words != "" {
			s = append(s, words)
		}
	}
	return strings.Join(s, ", ")
}

func (g goal) met(r result) bool {
	if _, ok := r.Peers[g.peer]; g.peer != "" && (!ok || r.better(g.peer) < 1/g.factor) {
		return false
	}
	for peer := range r.Peers {
		if g.ahead && peer != g.peer && r.better(peer) <= 1 {
			return false
		}
	}
	for _, more := range g.also {
		if !more.met(r) {
			return false
		}
	}
	return (g.most == 0 || r.Ours <= g.most) && !(g.none && r.Ours > 0)
}

// add notes a result and holds it against its goal.
func (b *bench) add(r result, g goal) {
	r.Goal, r.Met = g.in(r.Unit), g.met(r)
	b.results = append(b.results, r)
	if b.progress != nil {
		fmt.Fprintf(b.progress, "%s, %s: %s\n", r.Table, r.Case, r.own())
	}
}
