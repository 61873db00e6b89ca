package dbfailover

import (
	"fmt"
	"strings"
	"time"
)

// trials counts how often in a row each task has failed on each server. What a server refuses
// lastingly would otherwise be asked for ten times a second, and fill the log.
type trials struct {
	failed [taskLift + 1][2]trial
	last   taskKind // that failed
}

type trial struct {
	times  int
	reason string
}

// lasting is how many failures in a row are no coincidence.
const lasting = 3

// count takes in what became of a task. Once a server has been opened, what had kept others from
// it is of the past.
func (n *trials) count(t *task, err error) {
	if err == nil {
		if n.failed[t.kind][t.to] = (trial{}); t.kind.opens() {
			n.opened()
		}
		return
	}
	n.last = t.kind
	f := &n.failed[t.kind][t.to]
	f.times++
	_, f.reason = judge(err)
}

// opened forgets why servers could not be opened.
func (n *trials) opened() {
	for kind := range n.failed {
		if taskKind(kind).opens() {
			n.failed[kind] = [2]trial{}
		}
	}
}

// opens is true of tasks that make a server the writer.
func (k taskKind) opens() bool { return k == taskMove || k == taskOpen || k == taskUnlock }

func (n *trials) of(kind taskKind, to Role) int { return n.failed[kind][to].times }

// lasts reports whether a server refuses to be opened lastingly, and more often than the other
// one has: where both refuse, each has its turn, or the one that gets room again would never be
// asked.
func (n *trials) lasts(kind taskKind, owner Role) bool {
	times := n.of(kind, owner)
	return times >= lasting && times > n.of(taskMove, owner.other())
}

func (n *trials) reason(kind taskKind, to Role) string { return n.failed[kind][to].reason }

// pause doubles with each failure of the task, but for fences: as long as one has not worked, two
// may write.
func (n *trials) pause(t *task, first time.Duration) time.Duration {
	if t.kind == taskFence {
		return first
	}
	for range n.of(t.kind, t.to) - 1 {
		if first *= 2; first >= slowest {
			return slowest
		}
	}
	return first
}

// alarm says what has failed, or nothing.
func (n *trials) alarm() string {
	var list []string
	for kind := range n.failed {
		for to, f := range n.failed[kind] {
			if f.times >= lasting {
				list = append(list, fmt.Sprintf("%v %v failed %d times: %s", Role(to), taskKind(kind), f.times, f.reason))
			}
		}
	}
	return strings.Join(list, "; ")
}
