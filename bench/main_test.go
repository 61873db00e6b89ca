package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// tiny goes through everything with as little data as there can be.
var tiny = plan{
	pace:  pace{rounds: 3, round: 100 * time.Microsecond},
	plain: []int{4 << 10, 64 << 10, 1 << 20}, zstd: []int{300 << 10}, everyLevel: true,
	segmentLengths: []int{16 << 10, 64 << 10, 128 << 10}, segmentSizes: []int{70 << 10}, large: 2 << 20,
	cores: []int{70 << 10}, together: 8 << 10,
	cache: cachePlan{
		set: 256 << 10, most: 16, inMemory: []int{64, 128}, entries: []int{1000, 3000}, walked: []int{20, 40},
		simulated: 1 << 20, laps: 2,
	},
}

// everyTable is what a run must have measured.
var everyTable = []string{
	"diskcache: hit in memory", "diskcache: allocations of a hit in memory",
	"diskcache: hit in the page cache", "diskcache: size on disk", "diskcache: allocations of a hit in the page cache",
	"dbfailover: what it adds to a driver that does nothing", "dbfailover: allocations that it adds",
	"diskcache: put", "diskcache: cost by number of entries", "diskcache: index", "diskcache: restart", "diskcache: hit ratio",
	"envelope: sealing, uncompressed: FHIR-like JSON", "envelope: opening, uncompressed: FHIR-like JSON",
	"envelope: size stored: FHIR-like JSON", "envelope: size stored: image-like samples",
	"envelope: sealing, compressed: FHIR-like JSON", "envelope: opening, compressed: FHIR-like JSON",
	"envelope: sealing, compressed: image-like samples", "envelope: opening, compressed: image-like samples",
	"envelope: gain of a second core, uncompressed", "envelope: gain of a second core, compressed",
	"envelope: sealing, by segment length, ours 64 KiB", "envelope: opening, by segment length, ours 64 KiB",
	"envelope: reading 64 KiB of 2 MiB, by segment length, ours 64 KiB",
	"envelope: allocations, uncompressed", "envelope: allocations, compressed", "envelope: allocations of each further segment or frame",
}

// storeTables are measured where there is a server.
var storeTables = []string{
	"s3store: hit in memory, what it takes over its cache", "s3store: hit on disk", "s3store: allocations of a hit",
	"s3store: miss", "s3store: miss, what it takes over a bare GetObject", "s3store: 100 callers miss on one key",
	"s3store: upload", "s3store: download",
}

// TestEverySuiteRuns takes every suite through a run of seconds; what it measures
// means nothing, that it measures something does.
func TestEverySuiteRuns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	b := bench{plan: tiny, picture: filepath.Join(t.TempDir(), "cost.svg")}
	var out bytes.Buffer
	cores := runtime.GOMAXPROCS(0)
	if err := b.run("", file, &out); err != nil {
		t.Fatal(err)
	}
	if runtime.GOMAXPROCS(0) != cores {
		t.Error("the run left the process on another number of cores")
	}
	if _, err := os.Stat(b.dir); !os.IsNotExist(err) {
		t.Errorf("the run's folder is still there: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var results []result
	if err := json.Unmarshal(text, &results); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range results {
		seen[r.Table]++
		checkResult(t, r)
		if !strings.Contains(out.String(), r.Table) || !strings.Contains(out.String(), r.Case) {
			t.Errorf("%s, %s is not printed", r.Table, r.Case)
		}
	}
	if picture, err := os.ReadFile(b.picture); err != nil || !bytes.Contains(picture, []byte("diskcache, get")) {
		t.Errorf("%d bytes of picture, %v", len(picture), err)
	}
	wanted := everyTable
	if runtime.NumCPU() > 1 {
		wanted = append(slices.Clone(wanted), "diskcache: gain of all cores")
	}
	if _, err := findServer(); err == nil || os.Getenv("HIPAAKIT_REQUIRE_SERVERS") != "" {
		wanted = append(slices.Clone(wanted), storeTables...)
	}
	if withServers() {
		wanted = append(slices.Clone(wanted), failoverTables...)
	}
	for _, name := range wanted {
		if seen[name] == 0 {
			t.Errorf("no table %q", name)
		}
		delete(seen, name)
	}
	if len(seen) > 0 {
		t.Errorf("tables that this test does not know: %v", seen)
	}
	checkGoals(t, results)
}

// checkResult demands that each contender has a value. It can be 0 where there is
// nothing to allocate, or all is in memory already.
func checkResult(t *testing.T, r result) {
	t.Helper()
	if r.Unit == allocations || r.Unit == fetched || r.Unit == hits {
		return
	}
	first := strings.HasPrefix(r.Table, "diskcache: cost")                     // of which the others are a multiple
	alone := first || strings.HasPrefix(r.Table, "dbfailover: fault to first") // haproxy may be missing
	if r.Ours <= 0 || len(r.Peers) == 0 && !alone || r.Unit == "" {
		t.Errorf("%+v", r)
	}
	for name, v := range r.Peers {
		if v <= 0 {
			t.Errorf("%s, %s: %s has %v", r.Table, r.Case, name, v)
		}
	}
}

// checkGoals demands that what is promised is what the lines are held against.
func checkGoals(t *testing.T, results []result) {
	t.Helper()
	for _, want := range [][3]string{
		{"sealing, uncompressed", "4 KiB, one-shot", "at most 15.00 us"},
		{"opening, uncompressed", "4 KiB, stream", "at most 15.00 us"},
		{"sealing, uncompressed", "64 KiB, one-shot", "0.48 of raw AES-GCM"},
		{"sealing, uncompressed", "1 MiB, stream", "0.85 of raw AES-GCM, ahead of the others"},
		{"opening, uncompressed", "1 MiB, one-shot", "0.85 of raw AES-GCM"},
		{"sealing, compressed", "300 KiB fast, one-shot", "0.95 of zstd, 256 KiB frames"},
		{"opening, compressed", "300 KiB best, stream", "0.95 of zstd, 256 KiB frames"},
		{"gain of a second core", "seal 70 KiB, one-shot", "0.9 of halves, raw AES-GCM"},
		{"allocations of each further", "open compressed, stream", "at most 0.1"},
		{"what it adds to a driver", "exec", "at most 150 ns"},
		{"allocations that it adds", "query", "none"},
		{"hit in memory", "64 entries, one core", "0.667 of golang-lru, at most 150 ns"},
		{"hit in memory", "128 entries, one core", "0.667 of golang-lru"},
		{"allocations of a hit in memory", "64 entries", "none"},
		{"hit in the page cache", "64 KiB random bytes", "0.5 of os.ReadFile"},
		{"hit in the page cache", "1 MiB random bytes", "0.286 of os.ReadFile"},
		{"allocations of a hit in the page cache", "1 MiB FHIR-like JSON", "at most 2"},
		{"diskcache: put", "4 KiB FHIR-like JSON", "1 of create+rename, at most 10.00 us"},
		{"cost by number of entries", "get, 3000 entries", "0.5 of ours, 1000 entries"},
		{"diskcache: index", "3000 entries", "at most 48 B"},
		{"diskcache: restart", "first answer, 3000 entries", "at most 100.00 ms"},
		{"diskcache: restart", "complete, 3000 entries", "at most 900.00 us"},
	} {
		found := false
		for _, r := range results {
			found = found || strings.Contains(r.Table, want[0]) && r.Case == want[1] && r.Goal == want[2]
		}
		if !found {
			t.Errorf("no line with %q", want)
		}
	}
}

func TestOnlyAndDataAreChecked(t *testing.T) {
	for what, c := range map[string]struct{ only, data string }{
		"there are": {only: "cache"}, "is not absolute": {data: "../data"}, "holds no data": {only: "envelope", data: t.TempDir()}, "no such file": {only: "envelope", data: "/nowhere/at/all"},
	} {
		b := bench{plan: tiny, data: c.data}
		if err := b.run(c.only, "", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
