package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is results that stand one below the other.
type table struct {
	title   string
	columns []string
	rows    [][]string
	notes   []string
}

// tables puts results of the same Table together, in the order of the first.
func tables(results []result) []table {
	var all []table
	for len(results) > 0 {
		var same, rest []result
		for _, r := range results {
			if r.Table == results[0].Table {
				same = append(same, r)
			} else {
				rest = append(rest, r)
			}
		}
		all = append(all, newTable(same))
		results = rest
	}
	return all
}

func newTable(results []result) table {
	t := table{title: results[0].Table}
	var peers []string
	goals := false
	for _, r := range results {
		if r.Note != "" && !slices.Contains(t.notes, r.Note) {
			t.notes = append(t.notes, r.Note)
		}
		for _, p := range r.order {
			if !slices.Contains(peers, p) {
				peers = append(peers, p)
			}
		}
		goals = goals || r.Goal != ""
	}
	t.columns = append([]string{"case", "ours"}, peers...)
	if goals {
		t.columns = append(t.columns, "goal", "met")
	}
	for _, r := range results {
		row := []string{r.Case, r.own()}
		for _, p := range peers {
			row = append(row, r.cell(p))
		}
		if goals {
			row = append(row, r.Goal, r.verdict())
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// own is the value of ours.
func (r result) own() string {
	s := quantity(r.Ours, r.Unit) + r.heap("ours")
	if r.Unit == nanoseconds && r.Bytes > 0 {
		s += ", " + speed(r.Bytes, r.Ours)
	}
	return s
}

// cell is a peer's value, and in brackets how many times better ours is. Of
// allocations there is no such ratio, nor where one of them needs nothing at all.
func (r result) cell(peer string) string {
	v, ok := r.Peers[peer]
	switch {
	case !ok:
		return "-"
	case r.Unit == allocations:
		return quantity(v, r.Unit) + r.heap(peer)
	case r.Ours == 0 || v == 0:
		return quantity(v, r.Unit)
	case r.Unit == nanoseconds && r.Bytes > 0:
		return fmt.Sprintf("%s (%.2f)", speed(r.Bytes, v), r.better(peer))
	}
	return fmt.Sprintf("%s (%.2f)", quantity(v, r.Unit), r.better(peer))
}

func (r result) heap(of string) string {
	if bytes, ok := r.Heap[of]; ok {
		return ", " + size(bytes)
	}
	return ""
}

func (r result) verdict() string {
	switch {
	case r.Goal == "":
		return ""
	case r.Void != "":
		return r.Void
	case r.Met:
		return "yes"
	}
	return "NO"
}

// printText is for a terminal.
func printText(out io.Writer, machine string, results []result) {
	fmt.Fprintf(out, "%s\n\n", machine)
	for _, t := range tables(results) {
		fmt.Fprintln(out, t.title)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{t.columns}, t.rows...) {
			fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
		}
		w.Flush()
		for _, note := range t.notes {
			fmt.Fprintln(out, "  "+note)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, summary(results))
}

// printMarkdown is for docs/performance.md.
func printMarkdown(out io.Writer, machine string, results []result) {
	fmt.Fprintf(out, "%s\n", machine)
	for _, t := range tables(results) {
		fmt.Fprintf(out, "\n### %s\n\n", t.title)
		line := func(cells []string) { fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")) }
		line(t.columns)
		line(slices.Repeat([]string{"---"}, len(t.columns)))
		for _, row := range t.rows {
			line(row)
		}
		for _, note := range t.notes {
			fmt.Fprintf(out, "\n%s\n", note)
		}
	}
	fmt.Fprintf(out, "\n%s\n", summary(results))
}

// summary counts goals and names those missed.
func summary(results []result) string {
	met, all, void := 0, 0, 0
	var missed strings.Builder
	for _, r := range results {
		switch {
		case r.Goal == "":
			continue
		case r.Void != "":
			void++
			continue
		case r.Met:
			met++
		default:
			fmt.Fprintf(&missed, "\n- missed: %s, %s: %s", r.Table, r.Case, r.Goal)
		}
		all++
	}
	s := fmt.Sprintf("%d of %d goals met", met, all)
	if void > 0 {
		s += fmt.Sprintf(", %d more could not be judged", void)
	}
	return s + ".\n" + missed.String()
}
