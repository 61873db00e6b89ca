package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var testPace = pace{rounds: 3, round: time.Millisecond}

// TestEverySuiteRuns takes every suite through a run of a second; what it
// measures means nothing, that it measures something does.
func TestEverySuiteRuns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	b := bench{pace: testPace}
	var out bytes.Buffer
	if err := b.run("", file, &out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var results []map[string]any
	if err := json.Unmarshal(text, &results); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range results {
		name := r["case"].(string)
		seen[strings.SplitN(name, ":", 2)[0]] = true
		if r["ours"].(float64) <= 0 || len(r["peers"].(map[string]any)) == 0 || r["unit"] == "" || r["goal"] == "" {
			t.Errorf("%v", r)
		}
		if _, ok := r["met"].(bool); !ok || !strings.Contains(out.String(), name) {
			t.Errorf("%v is not in the table, or met is no truth", name)
		}
	}
	for name := range suites {
		if !seen[name] {
			t.Errorf("no result of suite %s", name)
		}
	}
}

func TestOnlyAndDataAreChecked(t *testing.T) {
	for what, c := range map[string]struct{ only, data string }{
		"there are": {only: "cache"}, "is not absolute": {data: "../data"}, "holds no data": {data: t.TempDir()}, "no such file": {data: "/nowhere/at/all"},
	} {
		b := bench{pace: testPace, data: c.data}
		if err := b.run(c.only, "", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestDataFolderIsUsed(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "a"), []byte("records"), 0o600)
	all, err := corpus(dir)
	if err != nil || len(all) != corpusSize || !bytes.HasPrefix(all, []byte("recordsrecords")) {
		t.Fatalf("%d bytes, %v", len(all), err)
	}
}

func TestGoalIsMeasuredInTheSameRun(t *testing.T) {
	peers := map[string]float64{"peer": 100}
	for _, c := range []struct {
		g    goal
		ours float64
		met  bool
	}{
		{goal{peer: "peer", factor: 1.5}, 150, true}, {goal{peer: "peer", factor: 1.5}, 151, false},
		{goal{peer: "peer", factor: 1.5, most: 120}, 130, false}, {goal{peer: "peer", factor: 0.4}, 39, true},
		{goal{peer: "nobody", factor: 1.5}, 1, false},
	} {
		if c.g.met(c.ours, peers) != c.met {
			t.Errorf("%v: %v with ours %v", c.g, !c.met, c.ours)
		}
	}
}

func TestMedianOfEachContender(t *testing.T) {
	sleep := func(d time.Duration) func(int) error {
		return func(n int) error { time.Sleep(time.Duration(n) * d); return nil }
	}
	m, err := testPace.measure([]contender{{"fast", sleep(50 * time.Microsecond)}, {"slow", sleep(5 * time.Millisecond)}})
	if err != nil || m[0] >= m[1] {
		t.Fatalf("%v, %v", m, err)
	}
}
