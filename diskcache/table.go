package diskcache

import (
	"slices"
	"sync"
)

// table is the set of open segments, oldest first. Segments are some
// hundreds, entries millions: so slots name their segment by number, hold no
// pointer, and the garbage collector never looks at them.
type table struct {
	mu       sync.RWMutex
	byNumber map[uint64]*segment
	order    []*segment
}

func newTable() *table { return &table{byNumber: make(map[uint64]*segment)} }

// add appends the newest segment.
func (t *table) add(s *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byNumber[s.number] = s
	t.order = append(t.order, s)
}

// remove takes the segment out. It is false if somebody else did already;
// whoever gets true owns the table's reference.
func (t *table) remove(s *segment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byNumber[s.number] != s {
		return false
	}
	delete(t.byNumber, s.number)
	t.order = slices.DeleteFunc(t.order, func(o *segment) bool { return o == s })
	return true
}

// acquire returns the segment with a reference for the caller, or nil.
func (t *table) acquire(number uint64) *segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.byNumber[number]
	if s != nil {
		s.refs.Add(1) // not from zero: the table holds one
	}
	return s
}

// oldest returns the oldest segment that is not spared, or nil.
func (t *table) oldest(spared *segment) *segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.order {
		if s != spared {
			return s
		}
	}
	return nil
}

// all returns the segments, oldest first.
func (t *table) all() []*segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.order)
}

func (t *table) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.order)
}
