package dbfailover

import (
	"fmt"
	"time"
)

// trials counts how often in a row one task has failed. What a server refuses lastingly
// would otherwise be asked for ten times a second, and fill the log.
type trials struct {
	kind   taskKind
	to     Role
	times  int
	reason string
}

// lasting is how many failures in a row are no coincidence.
const lasting = 3

func (n *trials) count(t *task, err error) {
	same := n.kind == t.kind && n.to == t.to
	switch {
	case err == nil && same:
		*n = trials{}
	case err == nil:
	case same:
		n.times++
	default:
		*n = trials{kind: t.kind, to: t.to, times: 1}
	}
	if err != nil {
		_, n.reason = judge(err)
	}
}

func (n *trials) of(kind taskKind, to Role) int {
	if n.kind != kind || n.to != to {
		return 0
	}
	return n.times
}

// pause doubles with each failure, but for fences: as long as one has not worked, two may
// write.
func (n *trials) pause(first time.Duration) time.Duration {
	if n.kind == taskFence {
		return first
	}
	for range n.times - 1 {
		if first *= 2; first >= slowest {
			return slowest
		}
	}
	return first
}

// alarm says what has failed, or nothing.
func (n *trials) alarm() string {
	if n.times < lasting {
		return ""
	}
	return fmt.Sprintf("%v %v failed %d times: %s", n.to, n.kind, n.times, n.reason)
}
