package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// failoverTables are measured where there are servers.
var failoverTables = []string{
	"dbfailover: SELECT 1, median latency", "dbfailover: SELECT 1, queries per second", "dbfailover: fault to first good query",
}

// withServers says whether this machine has what the servers need, or must have it.
func withServers() bool {
	for _, path := range []string{"/usr/sbin/mariadbd", "/usr/libexec/mariadbd", "/usr/bin/mariadbd"} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return os.Getenv("HIPAAKIT_REQUIRE_SERVERS") == "1"
}

// TestHAProxyIsThereWhereItIsRequired keeps its columns from going missing unnoticed.
func TestHAProxyIsThereWhereItIsRequired(t *testing.T) {
	if _, err := findHAProxy(); err != nil && os.Getenv("HIPAAKIT_REQUIRE_SERVERS") == "1" {
		t.Error(err)
	}
}

func TestOverheadIsReadFromTheBenchmark(t *testing.T) {
	const out = `goos: linux
BenchmarkOverhead/exec         	  300000	         1.000 bare-allocs/op	       224.3 bare-ns/op	         3.000 ours-allocs/op	       250.5 ours-ns/op
BenchmarkOverhead/transaction-2	  300000	         8.000 bare-allocs/op	      1694 bare-ns/op	         8.000 ours-allocs/op	      1600 ours-ns/op
PASS
`
	rows, err := overheads(out)
	if err != nil || len(rows) != 4 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if r := rows[0]; r.Case != "exec" || r.Ours < 26.1 || r.Ours > 26.3 || r.Peers[bareOperation] != 224.3 || r.Unit != nanoseconds {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Case != threeOperations || r.Ours != 1 {
		t.Errorf("what is below noise: %+v", r)
	}
	if r := rows[2]; r.Unit != allocations || r.Ours != 2 || r.Peers[bareOperation] != 1 {
		t.Errorf("%+v", r)
	}
	for _, bad := range []string{"", "PASS\n", "BenchmarkOverhead/x 1 y z\n", "BenchmarkOverhead/x 1 2 ns/op\n"} {
		if rows, err := overheads(bad); err == nil {
			t.Errorf("%q: %+v", bad, rows)
		}
	}
}

// More queries are better, less time is.
func TestQueriesPerSecondAreBetterWhenMore(t *testing.T) {
	g := goal{peer: behindHAProxy, factor: 1}
	for ours, met := range map[float64]bool{20000: true, 30000: true, 19000: false} {
		r := result{Unit: perSecond, Ours: ours, Peers: map[string]float64{behindHAProxy: 20000}}
		if g.met(r) != met {
			t.Errorf("%v queries beside 20000: met is %v", ours, !met)
		}
	}
}

// The test bed's failures end what runs on the host, and everything is cleaned up, in
// reverse, also when a clean-up fails.
func TestHostEndsWithItsFirstFailure(t *testing.T) {
	var order strings.Builder
	var dir string
	err := onHost(func(h *host) error {
		dir = h.TempDir()
		h.Cleanup(func() { order.WriteString("1") })
		h.Cleanup(func() { h.Fatalf("clean-up") })
		h.Cleanup(func() { order.WriteString("2") })
		h.Errorf("first %d", 1)
		h.Fatal("second")
		order.WriteString("never")
		return nil
	})
	if err == nil || order.String() != "21" {
		t.Fatalf("%q, %v", order.String(), err)
	}
	for _, part := range []string{"first 1", "second", "clean-up"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %s", err, part)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is still there: %v", err)
	}
	if err := onHost(func(h *host) error { h.Skipf("no %s", "mariadbd"); return nil }); !errors.Is(err, errNoServers) {
		t.Errorf("a program that is missing is %v", err)
	}
	if err := onHost(func(h *host) error { return h.Context().Err() }); err != nil {
		t.Error(err)
	}
}

// Who is not there is named below the table and has no column; the goals that are not
// about it stay.
func TestRowsWithoutHAProxySaySo(t *testing.T) {
	f := &failoverBench{bench: &bench{plan: tiny}}
	f.tell(allFaults[0], 3, map[string][]float64{"Fast": {9e6, 7e6, 8e6}, "Careful": {4e9, 1e9, 5e9}})
	if len(f.results) != 2 {
		t.Fatalf("%+v", f.results)
	}
	fast, careful := f.results[0], f.results[1]
	if fast.Ours != 8e6 || !fast.Met || len(fast.Peers) != 0 || !strings.Contains(fast.Note, "haproxy is not here") {
		t.Errorf("%+v", fast)
	}
	if careful.Ours != 4e9 || careful.Met || careful.Goal != "at most 3.00 s" {
		t.Errorf("%+v", careful)
	}
	var out bytes.Buffer
	printText(&out, "here", f.results)
	if !strings.Contains(out.String(), "not measured") {
		t.Error(out.String())
	}
}
