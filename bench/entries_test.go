package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	s := newCacheBench(t)
	kr, err := s.newKeyring()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kr.Close() })
	c := &crowd{
		cacheBench: s, records: cut(s.text.data, entryBytes, 50), random: rand.New(rand.NewPCG(1, 2)),
		options: diskcache.Options{MemoryBytes: -1, Keys: envelope.Wrapper{Keyring: kr, Binding: here}},
	}
	if c.cache, err = s.open("crowd", c.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cache.Close() })
	return c
}

func TestCrowdGrowsToTheVeryNumber(t *testing.T) {
	c := newCrowd(t)
	for _, n := range []int{7, 100, 2345} {
		took, err := c.grow(n)
		if err != nil || took <= 0 || c.count != n || c.cache.Stats().Entries != n {
			t.Errorf("%d entries of %d, %v ns, %v", c.cache.Stats().Entries, n, took, err)
		}
	}
	if _, err := c.someGets(500); err != nil {
		t.Error(err)
	}
	c.cache.DropAll()
	if _, err := c.someGets(1); err == nil {
		t.Error("what is not there is read")
	}
}

// TestRestartIsMeasuredOnlyWhenEverythingCameBack.
func TestRestartIsMeasuredOnlyWhenEverythingCameBack(t *testing.T) {
	c := newCrowd(t)
	if _, err := c.grow(500); err != nil {
		t.Fatal(err)
	}
	walk := []point{{10, 1e6}, {100, 10e6}}
	if err := c.restart(walk); err != nil {
		t.Fatal(err)
	}
	if len(c.results) != 2 {
		t.Fatal(c.results)
	}
	for _, r := range c.results {
		if r.Peers[r.order[0]] != 50e6 || !strings.Contains(r.Note, "100 files; the time for 500 is that one, times 5") {
			t.Errorf("%+v", r)
		}
	}
	if c.results[0].Ours > c.results[1].Ours {
		t.Error("complete before the first answer")
	}
	c.cache.Drop(keyOf(3))
	if err := c.restart(walk); err == nil || !strings.Contains(err.Error(), "499 entries of 500") {
		t.Errorf("%v", err)
	}
}

func TestCostsAreHeldAgainstTheFewestEntries(t *testing.T) {
	s := newCacheBench(t)
	gets, puts := []point{{1000, 10}, {2000, 19}, {3000, 21}}, []point{{1000, 30}, {2000, 30}, {3000, 30}}
	s.noteCosts(gets, puts, fileCosts{walk: []point{{1000, 5e6}}, django: []point{{2000, 6e6}}})
	if len(s.results) != 6 || s.results[0].Goal != "" || !s.results[1].Met || s.results[2].Met || !s.results[5].Met {
		t.Errorf("%+v", s.results)
	}
	if s.results[4].Peers[inFolder] != 6e6 || len(s.results[5].Peers) != 1 {
		t.Errorf("%+v", s.results[3:])
	}
	if c := s.charts[0]; len(c.lines) != 4 || !c.lines[0].ours || c.lines[2].ours {
		t.Errorf("%+v", c)
	}
	s.charts = nil
	s.noteCosts(gets, puts, fileCosts{walk: []point{{1000, 5e6}}})
	if c := s.charts[0]; len(c.lines) != 3 {
		t.Errorf("without Django: %+v", c)
	}
}

func TestFilesAreCountedAndSeen(t *testing.T) {
	s := newCacheBench(t)
	costs, err := s.filesByNumber()
	if err != nil || len(costs.walk) != 2 || costs.walk[1].n != 40 || costs.walk[0].ns <= 0 || costs.django != nil {
		t.Errorf("%+v, %v", costs, err)
	}
	dir := t.TempDir()
	for i := range 5 {
		if err := makeFile(dir, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := walk(dir, 2, 5); err != nil {
		t.Error(err)
	}
	if err := walk(dir, 1, 6); err == nil {
		t.Error("a walk that sees too few files is measured")
	}
	if err := makeFile(dir, 0); !os.IsExist(err) {
		t.Errorf("the same name again: %v", err)
	}
}

// TestDjangoListsWhatIsMadeForIt: of files with other names it would see none, and be
// as fast among a million.
func TestDjangoListsWhatIsMadeForIt(t *testing.T) {
	p := needPython(t)
	dir := t.TempDir()
	if _, err := p.ask("folder", dir); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if err := makeFile(dir, i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.time("write", 2); err != nil {
		t.Fatal(err)
	}
	// Nor does it push any out, although that is more than Django's default.
	if n, err := p.ask("count"); err != nil || n != "502" {
		t.Errorf("%s files, %v", n, err)
	}
}

var kept any

func TestHeapPerEntryIsWhatStays(t *testing.T) {
	got := heapPerEntry(1000, func() any {
		all := make([]*[256]byte, 1000)
		for i := range all {
			all[i] = new([256]byte)
			kept = new([4096]byte) // which does not stay
		}
		return all
	})
	kept = nil
	if got < 256 || got > 300 { // and a pointer each
		t.Errorf("%v bytes", got)
	}
}
