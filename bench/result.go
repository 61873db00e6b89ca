package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// result is one line of the table.
type result struct {
	Case  string             `json:"case"`
	Unit  string             `json:"unit"`
	Ours  float64            `json:"ours"`
	Peers map[string]float64 `json:"peers"`
	Goal  string             `json:"goal"`
	Met   bool               `json:"met"`
}

// goal is what ours must reach: at most factor times the peer's time, and, if
// most is not 0, at most that many nanoseconds.
type goal struct {
	peer   string
	factor float64
	most   float64
}

func (g goal) String() string {
	s := fmt.Sprintf("at most %.3g x %s", g.factor, g.peer)
	if g.factor < 1 {
		s = fmt.Sprintf("%.3g times as fast as %s", 1/g.factor, g.peer)
	}
	if g.most > 0 {
		s += fmt.Sprintf(", at most %.0f ns", g.most)
	}
	return s
}

func (g goal) met(ours float64, peers map[string]float64) bool {
	peer, ok := peers[g.peer]
	return ok && ours <= g.factor*peer && (g.most == 0 || ours <= g.most)
}

// compare measures ours and the peers and notes the result, in ns per operation.
func (b *bench) compare(name string, g goal, ours contender, peers ...contender) error {
	medians, err := b.pace.measure(append([]contender{ours}, peers...))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r := result{Case: name, Unit: "ns/op", Ours: medians[0], Peers: map[string]float64{}, Goal: g.String()}
	for i, p := range peers {
		r.Peers[p.name] = medians[i+1]
	}
	r.Met = g.met(r.Ours, r.Peers)
	b.results = append(b.results, r)
	return nil
}

func printTable(out io.Writer, results []result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\tours\tpeers (their time / ours)\tgoal\tmet")
	for _, r := range results {
		var peers []string
		for _, name := range slices.Sorted(maps.Keys(r.Peers)) {
			peers = append(peers, fmt.Sprintf("%s %s (%.2f)", name, duration(r.Peers[name]), r.Peers[name]/r.Ours))
		}
		met := "yes"
		if !r.Met {
			met = "NO"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Case, duration(r.Ours), strings.Join(peers, ", "), r.Goal, met)
	}
	w.Flush()
}

func duration(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.2f us", ns/1e3)
	}
	return fmt.Sprintf("%.0f ns", ns)
}
