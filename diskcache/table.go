package diskcache

import (
	"maps"
	"slices"
	"sync/atomic"
)

// table finds open segments by number. Segments are some hundreds, entries
// millions: so slots name their segment by number and hold no pointer. The map is
// copied for every change, which happens once in some MaxBytes/256 written, and
// read without a lock, which happens in every hit.
type table struct {
	byNumber atomic.Pointer[map[uint32]*segment]
}

func (t *table) init() { t.byNumber.Store(&map[uint32]*segment{}) }

// add and remove need the disk's lock.
func (t *table) add(s *segment) {
	m := maps.Clone(*t.byNumber.Load())
	m[s.number] = s
	t.byNumber.Store(&m)
}

// remove is false if somebody else did already; whoever gets true owns the
// table's reference.
func (t *table) remove(s *segment) bool {
	if (*t.byNumber.Load())[s.number] != s {
		return false
	}
	m := maps.Clone(*t.byNumber.Load())
	delete(m, s.number)
	t.byNumber.Store(&m)
	return true
}

// acquire returns the segment with a reference for the caller, or nil.
func (t *table) acquire(number uint32) *segment {
	s := (*t.byNumber.Load())[number]
	if s == nil || !s.acquire() {
		return nil
	}
	return s
}

// holds reports whether a slot's segment is still there.
func (t *table) holds(s slot) bool { return (*t.byNumber.Load())[s.file] != nil }

func (t *table) len() int { return len(*t.byNumber.Load()) }

// all returns the segments, the oldest file first.
func (t *table) all() []*segment {
	all := slices.Collect(maps.Values(*t.byNumber.Load()))
	slices.SortFunc(all, func(a, b *segment) int { return int(int64(a.number) - int64(b.number)) })
	return all
}

// queue is one of the two queues of segments, in the order of reclaim.
type queue struct {
	order []*segment
	bytes int64 // claimed
}

func (q *queue) push(s *segment) {
	q.order = append(q.order, s)
	q.bytes += s.claimed
}

func (q *queue) remove(s *segment) {
	q.order = slices.DeleteFunc(q.order, func(o *segment) bool { return o == s })
	q.bytes -= s.claimed
}
