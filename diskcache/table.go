package diskcache

import (
	"slices"
	"sync"
)

// table is the set of open segments in the order of their eviction. Segments are some
// hundreds, entries millions: so slots name their segment by number, hold no
// pointer, and the garbage collector never looks at them.
type table struct {
	mu       sync.RWMutex
	byNumber map[uint64]*segment
	order    []*segment
}

func newTable() *table { return &table{byNumber: make(map[uint64]*segment)} }

// add puts a segment before another one, or last if that one is nil.
func (t *table) add(s, before *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byNumber[s.number] = s
	at := slices.Index(t.order, before)
	if at < 0 {
		at = len(t.order)
	}
	t.order = slices.Insert(t.order, at, s)
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

// oldest returns the segment whose turn it is, or nil.
func (t *table) oldest() *segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.order) == 0 {
		return nil
	}
	return t.order[0]
}

// all returns the segments, the next to be evicted first.
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
