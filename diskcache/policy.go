package diskcache

import "sync"

// policy decides what stays. It is S3-FIFO (J. Yang et al., "FIFO queues are all
// you need for cache eviction", SOSP 2023) over segments: what is new goes on
// probation; what was used there moves to the main queue when its segment is
// reclaimed; what was used in the main queue moves to that queue's end; the rest
// goes, and is remembered for a while as a ghost. A key that comes back as a ghost
// goes to the main queue at once.
//
// S3-FIFO gives probation a tenth. That is a bet against workloads that come back
// to everything once, later than a tenth of the cache ago, and there it loses to
// LRU by far. So the share moves as in ARC (N. Megiddo, D. S. Modha, FAST 2003):
// a ghost of probation says that probation was too small, one of the main queue
// that the main queue was. It begins high: what comes back within a cache's length is
// then kept from the start, as by LRU; where frequency counts, the share falls by
// itself, to a twentieth for Zipf.
//
// Where the working set moves at once, up to 0.012 of the hits that LRU has are lost:
// the main queue keeps what was used before until it has been gone through.
// Remembering when a record was used last, and not only whether, does not help.
type policy struct {
	mu     sync.Mutex
	share  float64 // of all bytes, for probation
	ghosts []uint16
	counts [2]float64 // ghosts of either kind, about
}

const (
	firstShare = 0.60
	leastShare = 0.02
	mostShare  = 0.98
	minGhosts  = 1 << 10
)

func (p *policy) init() { p.share, p.ghosts = firstShare, make([]uint16, minGhosts) }

// victim says which queue has to give.
func (p *policy) victim(probationBytes, mainBytes int64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if float64(probationBytes) > p.share*float64(probationBytes+mainBytes) {
		return probation
	}
	return mainQueue
}

// A ghost is 15 bits of its hash and the queue it fell from, in a cell that the
// other bits choose; the next one there replaces it. Two bytes for each entry of
// the cache remember about as many as it holds; one in 2^15 strangers is taken for
// a ghost, which costs him nothing.
func (p *policy) ghost(hash uint64, q int) (cell *uint16, mark uint16) {
	mark = uint16(hash>>48)&^1 | uint16(q)
	if mark <= 1 {
		mark += 2 // 0 is a free cell
	}
	return &p.ghosts[(hash>>8)&uint64(len(p.ghosts)-1)], mark
}

// remember makes a ghost of what was evicted from a queue.
func (p *policy) remember(hash uint64, q int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cell, mark := p.ghost(hash, q)
	p.count(*cell, -1)
	*cell = mark
	p.count(mark, 1)
}

func (p *policy) count(mark uint16, n float64) {
	if mark != 0 {
		p.counts[mark&1] += n
	}
}

// admit says which queue a new record goes to, and learns from it. entries is how
// many the cache holds.
func (p *policy) admit(hash uint64, entries int) (q int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resize(entries)
	cell, mark := p.ghost(hash, probation)
	if *cell&^1 != mark&^1 || *cell == 0 {
		return probation
	}
	step := 3 / float64(max(entries, 1))
	if *cell&1 == probation {
		step *= max(1, p.counts[mainQueue]/max(p.counts[probation], 1))
	} else {
		step *= -max(1, p.counts[probation]/max(p.counts[mainQueue], 1))
	}
	p.share = min(max(p.share+step, leastShare), mostShare)
	p.count(*cell, -1)
	*cell = 0
	return mainQueue
}

// resize forgets all ghosts, which a growing cache has none of.
func (p *policy) resize(entries int) {
	if entries <= len(p.ghosts) {
		return
	}
	n := len(p.ghosts)
	for n < entries {
		n *= 2
	}
	p.ghosts, p.counts = make([]uint16, n), [2]float64{}
}
