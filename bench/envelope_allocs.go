package main

import (
	"runtime"
	"runtime/debug"

	"github.com/hipaakit/hipaakit/envelope"
)

// spent is what one operation takes from the heap.
type spent struct{ count, bytes float64 }

// measureAllocs does something a few times, once before it counts, so that what is
// kept for the next one is there. No collection comes between: it would take that
// away again.
func measureAllocs(do func() error) (spent, error) {
	const times = 5
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if err := do(); err != nil {
		return spent{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if err := do(); err != nil {
			return spent{}, err
		}
	}
	runtime.ReadMemStats(&after)
	return spent{float64(after.Mallocs-before.Mallocs) / times, float64(after.TotalAlloc-before.TotalAlloc) / times}, nil
}

// allocations counts them, ours beside the peers', and what each further segment or
// frame of a longer object takes.
func (s envelopeBench) allocations() error {
	peers, err := s.peers()
	if err != nil {
		return err
	}
	_, frames, streamed, err := bareZstd(levels[0], 1)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name  string
		o     envelope.Options
		piece int
		peers []scheme
	}{
		{"uncompressed", envelope.Options{Compression: envelope.CompressNone}, envelope.DefaultSegmentLength, peers},
		{"compressed", envelope.Options{}, frameData, []scheme{frames, streamed}},
	} {
		for _, ours := range []scheme{oneShot(s.kr, c.o), stream(s.kr, c.o)} {
			if err := s.allocs(c.name, ours, c.peers, c.piece); err != nil {
				return err
			}
		}
	}
	return nil
}

// allocs notes what sealing and opening take at each size, and what each piece adds.
func (s envelopeBench) allocs(title string, ours scheme, peers []scheme, piece int) error {
	used := map[string][]spent{} // by way, then by size
	for _, n := range s.plain {
		r := newRecords(s.kinds[0].data, n, 1)
		for _, way := range []string{"seal", "open"} {
			mine, err := s.heapLine(title, way, r, ours, peers)
			if err != nil {
				return err
			}
			used[way] = append(used[way], mine)
		}
	}
	for _, way := range []string{"seal", "open"} {
		s.perPiece(way+" "+title+", "+ours.name, used[way], piece)
	}
	return nil
}

// heapLine notes one size: allocations and bytes.
func (s envelopeBench) heapLine(title, way string, r records, ours scheme, peers []scheme) (spent, error) {
	mine, err := ours.heap(way, r)
	if err != nil {
		return mine, err
	}
	line := result{
		Table: "envelope: allocations, " + title, Case: way + " " + size(r.size()) + ", " + ours.name, Unit: allocations,
		Ours: mine.count, Peers: map[string]float64{}, Heap: map[string]float64{"ours": mine.bytes},
	}
	for _, p := range peers {
		theirs, err := p.heap(way, r)
		if err != nil {
			return mine, err
		}
		line.Peers[p.name], line.Heap[p.name] = theirs.count, theirs.bytes
		line.order = append(line.order, p.name)
	}
	s.add(line, goal{})
	return mine, nil
}

func (s scheme) heap(way string, r records) (spent, error) {
	c, err := s.opening(r)
	if way == "seal" {
		c = s.sealing(r)
	}
	if err != nil {
		return spent{}, err
	}
	return measureAllocs(func() error { return c.do(1) })
}

// perPiece spreads what the largest object takes more than the second largest over
// the pieces it has more: what is left is what a piece costs.
func (s envelopeBench) perPiece(name string, used []spent, piece int) {
	large, small := len(used)-1, len(used)-2
	if small < 0 {
		return
	}
	pieces := float64(s.plain[large]-s.plain[small]) / float64(piece)
	// Not 0: a table of frames grows now and then, in steps that double.
	s.add(result{
		Table: "envelope: allocations of each further segment or frame", Case: name, Unit: allocations,
		Ours: (used[large].count - used[small].count) / pieces, Peers: map[string]float64{},
	}, goal{most: 0.1})
}
