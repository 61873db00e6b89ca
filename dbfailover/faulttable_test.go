package dbfailover

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// fault is what a scene goes through.
type fault struct {
	name   string
	before func(d *duo) // while no node runs
	play   func(t *testing.T, s *scene)
	// neighbour: server 2 fails too, so the neighbour has errors.
	neighbour bool
}

// act is faults that leave two servers as they found them, and share those.
type act struct {
	name    string
	options testbed.Options
	faults  []fault
}

// acts are all played under both profiles, those that last long first.
func acts() []act {
	all := []act{
		{"disk", testbed.Options{SmallDisk: true}, []fault{{name: "disk full", play: diskFull}}},
		{"disk behind", testbed.Options{SmallDisk: true}, []fault{{name: "disk full behind another", play: diskFullBehindAnother}}},
		{"stay", testbed.Options{}, []fault{
			{name: "replication cut", play: cutFeeds},
			{name: "1040", play: tooManyConnections},
			{name: "1045", play: wrongPasswords},
			{name: "certificate", play: expiredCertificate},
		}},
		{"switch", testbed.Options{}, []fault{
			{name: "global read lock", play: globalReadLock},
			{name: "canaries", play: canariesStall},
			{name: "long", play: longInASwitch},
		}},
	}
	for _, f := range []fault{
		{name: "only the old primary", play: onlyTheOldPrimary, neighbour: true},
		{name: "all nodes", play: allNodes, neighbour: true},
		{name: "one path", play: onePath},
		{name: "both paths", play: bothPaths},
		{name: "kill", play: kill},
		{name: "SIGTERM", play: shutdown},
		{name: "SIGSTOP", play: pause},
		{name: "quick restart", play: quickRestart},
		{name: "both restarted", play: bothRestarted, neighbour: true},
		{name: "broken by this", play: brokenByThis},
		{name: "broken by the other", play: brokenByTheOther},
		{name: "old copy at once", before: copyServer1, play: oldCopyAtOnce},
		{name: "old copy later", before: copyServer1, play: oldCopyLater},
	} {
		all = append(all, act{name: f.name, faults: []fault{f}})
	}
	return all
}

// measured is a line of the table.
type measured struct {
	what             string
	timers           Timers
	took             time.Duration
	wrong, neighbour int
}

// faultTable is filled by scenes that run beside each other.
type faultTable struct {
	mu    sync.Mutex
	lines []measured
}

func (f *faultTable) add(s *scene, wrong, neighbour int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range s.measured {
		m.wrong, m.neighbour = wrong, neighbour
		f.lines = append(f.lines, m)
	}
}

func (f *faultTable) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(f.lines, func(a, b measured) int {
		if c := strings.Compare(a.what, b.what); c != 0 {
			return c
		}
		return int(a.timers) - int(b.timers)
	})
	var out strings.Builder
	out.WriteString("\n")
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tprofile\tfirst good write\twrong outcomes\terrors of the neighbour")
	for _, m := range f.lines {
		fmt.Fprintf(w, "%s\t%v\t%v\t%d\t%d\n", m.what, m.timers, m.took.Round(time.Millisecond), m.wrong, m.neighbour)
	}
	_ = w.Flush()
	return out.String()
}

// TestFaults plays every fault under both profiles and logs the table of what it cost.
func TestFaults(t *testing.T) {
	t.Parallel()
	table := &faultTable{}
	t.Cleanup(func() { t.Log(table) })
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			for _, timers := range []Timers{Fast, Careful} {
				t.Run(timers.String(), func(t *testing.T) {
					t.Parallel()
					a.play(t, timers, table)
				})
			}
		})
	}
}

func (a act) play(t *testing.T, timers Timers, table *faultTable) {
	d := newStage(t, a.options)
	for i, f := range a.faults {
		last := i == len(a.faults)-1
		// After a failure the next would begin with what is left.
		if !t.Run(f.name, func(t *testing.T) { f.run(t, d, timers, table, last) }) {
			return
		}
	}
}

func (f fault) run(t *testing.T, d *duo, timers Timers, table *faultTable, last bool) {
	if f.before != nil {
		f.before(d)
	}
	s := newScene(t, d, timers)
	f.play(t, s)
	wrong, disturbed := s.judge(t)
	if disturbed > 0 && !f.neighbour && !s.excused() {
		t.Errorf("the neighbour had %d errors", disturbed)
	}
	table.add(s, wrong, disturbed)
	if !last {
		s.home(t)
	}
}
