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
// Other than in ARC, a ghost of probation that comes back after more than a cache's
// length speaks for the main queue, and with more weight: no probation would have been
// long enough, and only there some of its kind can stay. And of ghosts that come back
// that late only those of one half of all keys go to the main queue: what is there would
// be pushed out by others no better, which come back after it has gone. So a loop that
// is longer than the cache does not make it an LRU, which hits nothing of it: a third to
// a half of a loop of 1.5 caches are hits.
//
// Where the working set moves at once, up to 0.012 of the hits that LRU has are lost:
// the main queue keeps what was used before until it has been gone through.
// Remembering when a record was used last, and not only whether, does not help.
type policy struct {
	mu     sync.Mutex
	share  float64 // of all bytes, for probation
	ghosts []uint16
	counts [2]float64 // ghosts of either kind, about
	clock  float64    // cache lengths of evictions so far
	tick   float64    // of one eviction
}

const (
	firstShare = 0.60
	leastShare = 0.02
	mostShare  = 0.98
	minGhosts  = 1 << 10

	tooLateWeight = 2 // of a ghost of probation that no probation would have kept
)

// Bits of a ghost: the queue it fell from, when, in agesPerLength parts of a cache's
// length and modulo 16 of them, and what is left of its hash.
const (
	ghostQueue    = 1
	ghostAge      = 15 << 1
	ghostHash     = 0xffff &^ (ghostAge | ghostQueue)
	agesPerLength = 4
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

// ghost returns the cell that some bits of the hash choose, and what other bits of it
// leave there; the next one there replaces it. Two bytes for each entry of the cache
// remember about as many as it holds; one in 2^11 strangers is taken for a ghost, which
// costs him nothing.
func (p *policy) ghost(hash uint64) (cell *uint16, mark uint16) {
	mark = max(uint16(hash>>48)&ghostHash, ghostAge+ghostQueue+1) // 0 is a free cell
	return &p.ghosts[(hash>>8)&uint64(len(p.ghosts)-1)], mark
}

// remember makes a ghost of what was evicted from a queue.
func (p *policy) remember(hash uint64, q int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cell, mark := p.ghost(hash)
	p.count(*cell, -1)
	p.clock += p.tick
	*cell = mark | p.now()<<1 | uint16(q)
	p.count(*cell, 1)
}

// now is the age of what is evicted now.
func (p *policy) now() uint16 { return uint16(uint64(p.clock*agesPerLength)) & (ghostAge >> 1) }

func (p *policy) count(ghost uint16, n float64) {
	if ghost != 0 {
		p.counts[ghost&ghostQueue] += n
	}
}

// admit says which queue a new record goes to, and learns from it. entries is how
// many the cache holds.
func (p *policy) admit(hash uint64, entries int) (q int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resize(entries)
	p.tick = 1 / float64(max(entries, 1))
	cell, mark := p.ghost(hash)
	if *cell&ghostHash != mark {
		return probation
	}
	ghost := *cell
	p.count(ghost, -1)
	*cell = 0
	late := p.tooLate(ghost)
	p.share = min(max(p.share+3*p.tick*p.lesson(ghost, late), leastShare), mostShare)
	if late && hash>>47&1 == 0 {
		return probation
	}
	return mainQueue
}

// tooLate reports whether more than a cache's length lies between two uses of what comes
// back: its time in its queue, if it was not used there, and its time as a ghost.
func (p *policy) tooLate(ghost uint16) bool {
	age := float64((p.now()-ghost>>1)&(ghostAge>>1)) / agesPerLength
	if ghost&ghostQueue == probation {
		return age > 1-p.share
	}
	return age > p.share
}

// lesson is what a ghost that has come back says about probation's share.
func (p *policy) lesson(ghost uint16, late bool) float64 {
	ofProbation, ofMain := max(p.counts[probation], 1), max(p.counts[mainQueue], 1)
	switch {
	case ghost&ghostQueue == mainQueue:
		return -max(1, ofProbation/ofMain)
	case late:
		return -tooLateWeight * max(1, ofMain/ofProbation)
	default:
		return max(1, ofMain/ofProbation)
	}
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
