package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hipaakit/hipaakit/diskcache"
)

func newCacheBench(t *testing.T) cacheBench {
	t.Helper()
	b := &bench{plan: tiny, dir: t.TempDir(), cores: 2}
	s := cacheBench{bench: b, noPython: "nobody"}
	var err error
	if s.text, s.noise, err = extremes("", 1<<20); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEverybodyRemembersEverything(t *testing.T) {
	s := newCacheBench(t)
	c, err := s.open("memory", diskcache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	records := cut(s.text.data, 100, 3000)
	all, done, err := rememberers(c, records) // proves it
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for _, m := range all {
		if err := m.reading(len(records), 1).do(2 * len(records)); err != nil {
			t.Error(err)
		}
		if err := m.reading(len(records)+1, 1).do(len(records) + 1); err == nil || !strings.Contains(err.Error(), "a miss") {
			t.Errorf("%s: %v for a key that nobody stored", m.name, err)
		}
	}
	other := inMemory{"other", func(string) (diskcache.View, bool) { return diskcache.NewView([]byte("x")), true }}
	if err := other.prove(records); err == nil {
		t.Error("what returns something else is measured")
	}
}

// TestCoresShareTheWork: so many operations in all, on as many goroutines at once, who
// do not ask for the same keys at the same time.
func TestCoresShareTheWork(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	m := inMemory{"", func(key string) (diskcache.View, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked[key]++
		return diskcache.View{}, true
	}}
	for _, cores := range []int{1, 2, 3} {
		clear(asked)
		c := m.reading(90, cores)
		if err := c.do(90); err != nil || len(asked) != 90 || c.cores != cores {
			t.Errorf("%d cores: %d keys, %v", cores, len(asked), err)
		}
		if err := c.do(1); err != nil {
			t.Error(err)
		}
		total := 0
		for _, n := range asked {
			total += n
		}
		if total != 91 {
			t.Errorf("%d cores: %d operations", cores, total)
		}
	}
}

func TestAMissOnAnyCoreIsAnError(t *testing.T) {
	m := inMemory{"peer", func(key string) (diskcache.View, bool) { return diskcache.View{}, key != keyOf(7) }}
	if err := m.reading(10, 2).do(20); err == nil || !strings.Contains(err.Error(), "peer: a miss") {
		t.Errorf("%v", err)
	}
}

func TestWithoutPythonItIsSaidAndNotPromised(t *testing.T) {
	s := newCacheBench(t)
	c := hitCase{4 << 10, goal{peer: readFile, factor: 1}, goal{peer: djangoGoal, factor: 1}}
	if err := s.pageCacheHit(s.text, c); err != nil {
		t.Fatal(err)
	}
	r := s.results[0]
	if r.Note != "nobody" || r.Goal != "1 of os.ReadFile" || len(r.Peers) != 5 {
		t.Errorf("%+v", r)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func TestRecordsAreMoreThanAProcessorCaches(t *testing.T) {
	for name, p := range map[string]plan{"full": full, "quick": brief} {
		for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
			s := cacheBench{bench: &bench{plan: p}}
			if n := len(s.records(input{"", make([]byte, corpusSize)}, size)); n*size < 128<<20 {
				t.Errorf("%s: %d records of %d bytes", name, n, size)
			}
		}
	}
}

func TestSizeOnDiskIsWhatFilesOccupy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	hole, err := os.Create(filepath.Join(dir, "hole"))
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	if err := hole.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	used, err := diskUsage(dir)
	if err != nil || used < 100_000 || used > 200_000 && runtime.GOOS == "linux" {
		t.Errorf("%d bytes, %v", used, err)
	}
}
