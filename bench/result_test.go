package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGoalIsMeasuredInTheSameRun(t *testing.T) {
	for _, c := range []struct {
		g    goal
		unit string
		ours float64
		met  bool
	}{
		{goal{peer: "peer", factor: 1.5}, nanoseconds, 150, true}, {goal{peer: "peer", factor: 1.5}, nanoseconds, 151, false},
		{goal{peer: "peer", factor: 1.5, most: 120}, nanoseconds, 130, false}, {goal{peer: "peer", factor: 0.4}, nanoseconds, 39, true},
		{goal{peer: "nobody", factor: 1.5}, nanoseconds, 1, false},
		{goal{most: 10}, nanoseconds, 10, true}, {goal{most: 10}, nanoseconds, 11, false},
		// Ahead of all but the one that it is measured by.
		{goal{peer: "peer", factor: 2, ahead: true}, nanoseconds, 120, true},
		{goal{peer: "peer", factor: 2, ahead: true}, nanoseconds, 130, false},
		{goal{peer: "peer", factor: 2, ahead: true}, nanoseconds, 140, false},
		// More is better.
		{goal{peer: "peer", factor: 1 / 0.9}, gain, 91, true}, {goal{peer: "peer", factor: 1 / 0.9}, gain, 89, false},
		{goal{peer: "peer", factor: 1 / 0.9}, smaller, 89, false},
		{goal{peer: "peer", factor: 0.98}, hits, 101, false}, {goal{peer: "peer", factor: 1}, hits, 100, true},
		{goal{none: true}, allocations, 0, true}, {goal{none: true}, allocations, 0.01, false},
		// All of several.
		{goal{peer: "peer", factor: 2, also: []goal{{peer: "other", factor: 1}}}, nanoseconds, 130, true},
		{goal{peer: "peer", factor: 2, also: []goal{{peer: "other", factor: 1}}}, nanoseconds, 131, false},
		{goal{peer: "peer", factor: 1, also: []goal{{}}}, nanoseconds, 100, true},
		{goal{}, nanoseconds, 1e9, true},
	} {
		r := result{Unit: c.unit, Ours: c.ours, Peers: map[string]float64{"peer": 100, "other": 130}}
		if c.g.met(r) != c.met {
			t.Errorf("%+v: %v with ours %v %s", c.g, !c.met, c.ours, c.unit)
		}
	}
}

func TestGoalsInWords(t *testing.T) {
	for want, g := range map[string]goal{
		"":                                 {},
		"0.85 of raw":                      {peer: "raw", factor: 1 / 0.85},
		"2.5 times as fast as os.ReadFile": {peer: "os.ReadFile", factor: 1 / 2.5},
		"0.667 of lru, at most 150 ns":     {peer: "lru", factor: 1.5, most: 150},
		"at most 15.00 us":                 {most: 15_000},
		"1 of a, ahead of the others":      {peer: "a", factor: 1, ahead: true},
		"none":                             {none: true, also: []goal{{}}},
		"2 times as fast as a, 25 times as fast as b":    {peer: "a", factor: 0.5, also: []goal{{peer: "b", factor: 0.04}}},
		"0.5 of a, ahead of the others, at most 1.00 ms": {peer: "a", factor: 2, ahead: true, most: 1e6},
	} {
		if got := g.in(nanoseconds); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (goal{most: 0.1}).in(allocations); got != "at most 0.1" {
		t.Error(got)
	}
}

func TestQuantities(t *testing.T) {
	for want, got := range map[string]string{
		"999 ns": quantity(999, nanoseconds), "1.50 us": quantity(1500, nanoseconds), "2.00 ms": quantity(2e6, nanoseconds),
		"3.25 s": quantity(3.25e9, nanoseconds), "44.5 B": quantity(44.5, perEntry), "0.813": quantity(0.8126, hits),
		"10 thousand files": quantityOf(10_000, "files"), "1 million files": quantityOf(1_000_000, "files"),
		"1024 files": quantityOf(1024, "files"), "2.5 million files": quantityOf(2_500_000, "files"),
		"1.93x": quantity(1.929, gain), "12.10x": quantity(12.1, smaller), "0.0625": quantity(0.0625, allocations), "127": quantity(126.7, allocations), "4140": quantity(4140, allocations),
		"4 KiB": size(4 << 10), "1.5 MiB": size(1.5 * (1 << 20)), "512 B": size(512), "64 KiB": quantity(64<<10, fetched),
		"500 MB/s": speed(500, 1000), "2.00 GB/s": speed(2000, 1000),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// lines are results of every shape there is.
func lines() []result {
	return []result{
		{Table: "one", Case: "fast", Unit: nanoseconds, Bytes: 4096, Ours: 2048, Peers: map[string]float64{"a": 1024, "b": 4096}, order: []string{"b", "a"}, Goal: "0.9 of a"},
		{Table: "two", Case: "gain", Unit: gain, Ours: 1.8, Peers: map[string]float64{"a": 2}, order: []string{"a"}, Goal: "0.9 of a", Met: true},
		{Table: "one", Case: "bytes", Unit: fetched, Ours: 128 << 10, Peers: map[string]float64{"c": 64 << 10}, order: []string{"c"}},
		{Table: "three", Case: "heap", Unit: allocations, Ours: 3, Peers: map[string]float64{"a": 0}, order: []string{"a"}, Heap: map[string]float64{"ours": 2048, "a": 0}},
	}
}

func TestTablesInMarkdown(t *testing.T) {
	var out bytes.Buffer
	printMarkdown(&out, "a machine", lines())
	want := `a machine

### one

| case | ours | b | a | c | goal | met |
| --- | --- | --- | --- | --- | --- | --- |
| fast | 2.05 us, 2.00 GB/s | 1.00 GB/s (2.00) | 4.00 GB/s (0.50) | - | 0.9 of a | NO |
| bytes | 128 KiB | - | - | 64 KiB (0.50) |  |  |

### two

| case | ours | a | goal | met |
| --- | --- | --- | --- | --- |
| gain | 1.80x | 2.00x (0.90) | 0.9 of a | yes |

### three

| case | ours | a |
| --- | --- | --- |
| heap | 3, 2 KiB | 0, 0 B |

1 of 2 goals met.

- missed: one, fast: 0.9 of a
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestWhatCannotBeJudgedIsNeitherMetNorMissed(t *testing.T) {
	r := lines()[0]
	r.Void = "no second core"
	if r.verdict() != "no second core" {
		t.Error(r.verdict())
	}
	if got, want := summary([]result{lines()[1], r}), "1 of 1 goals met, 1 more could not be judged.\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTextSaysTheSame(t *testing.T) {
	var out bytes.Buffer
	printText(&out, "a machine", lines())
	for _, row := range []string{"a machine", "fast   2.05 us, 2.00 GB/s  1.00 GB/s (2.00)  4.00 GB/s (0.50)", "1 of 2 goals met", "missed: one, fast"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("%q is not in\n%s", row, out.String())
		}
	}
}

// TestPlayGivesEachItsOwnTime is the arithmetic from contender to line: two of ours
// are held against the same peers.
func TestPlayGivesEachItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var progress strings.Builder
		b := bench{plan: tiny, progress: &progress}
		g := goal{peer: "a", factor: 1 / 0.5}
		err := b.play(match{
			table: "T", bytes: 1000,
			ours:  []entrant{{"one", g, takes("", time.Millisecond)}, {"two", g, takes("", 9*time.Millisecond)}},
			peers: []contender{takes("a", 2*time.Millisecond), takes("b", 3*time.Millisecond)},
		})
		if err != nil || len(b.results) != 2 {
			t.Fatal(b.results, err)
		}
		for i, want := range []struct {
			name string
			ours float64
			met  bool
		}{{"one", 1e6, true}, {"two", 9e6, false}} {
			r := b.results[i]
			if !strings.Contains(progress.String(), "T, "+want.name) {
				t.Errorf("progress does not speak of %s", want.name)
			}
			if r.Case != want.name || r.Ours != want.ours || r.Met != want.met || r.Peers["a"] != 2e6 || r.Peers["b"] != 3e6 {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestNotesStandOnceBelowTheirTable(t *testing.T) {
	all := lines()
	all[0].Note, all[2].Note = "somebody is missing", "somebody is missing"
	for name, print := range map[string]func(io.Writer, string, []result){"text": printText, "Markdown": printMarkdown} {
		var out bytes.Buffer
		print(&out, "a machine", all)
		before, after, found := strings.Cut(out.String(), "somebody is missing")
		if !found || strings.Contains(after, "somebody") || strings.Contains(before, "two") || !strings.Contains(after, "two") {
			t.Errorf("%s:\n%s", name, out.String())
		}
	}
}
