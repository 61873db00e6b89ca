package dbfailover

import (
	"testing"
	"testing/synctest"
	"time"
)

// Server 1 has a tail, and server 2, in quarantine, has passed it over when Force opens server 1
// again. A node that knows of that reaches server 2, still open, and not server 1. What it may
// do is to lock it: a fence would end the quarantine, which only the writer can judge.
func TestFenceWithoutASightOfTheWriterKeepsTheQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h, links := simTail(t)
		third, err := links[0].promote(t.Context(), 3, true, true)
		must(t, err)
		w.set(func() { w.replicateAll() })
		n := newSimNode(w, "a", h.timing)
		n.stop()
		n.kept = memory{highest: epoch{3, 1, third}, ids: [2]uint32{1, 2}}
		w.set(func() { n.cuts[0] = true })
		n.start()
		time.Sleep(5 * time.Second)
		two := w.servers[1]
		w.set(func() {
			if !two.locked || !two.quarantined {
				t.Errorf("server 2: locked %v, quarantined %v", two.locked, two.quarantined)
			}
			n.cuts[0] = false
		})
		time.Sleep(30 * time.Second)
		n.stop()
		if two.tail == "" || two.rows["tail"] {
			t.Errorf("server 2 lacks the row and is in step: %+v", two.top())
		}
	})
}
