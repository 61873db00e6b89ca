package invalidate

import (
	"sync"
	"time"
)

// holder is the reading half of a node: the leases it holds from its peers and what they have told it.
//
// The orders in which it does things are load-bearing. A doubt is stored before the message that
// brought it is acknowledged. Changed comes before the doubt goes, or a reader between the two would
// serve the old entry. Suspect and all doubts of a lease answer come before the lease counts.
type holder struct {
	fresh   freshness
	term    time.Duration
	landing time.Duration

	mu      sync.Mutex // serialises what peers say; held while the Listener is called
	cache   patient
	views   map[string]*view // by peer
	self    time.Duration    // forever once this node itself is no reason to doubt, 0 before
	vouched bool             // no write of an earlier process of this node can land any more
}

// view is one peer as this node has come to know it.
type view struct {
	boot     string
	meetings int  // how often boot has changed
	synced   bool // an answer of this boot has been applied; until then only notices of its were
	missed   uint64
	seq      uint64            // of the newest answer applied: what is numbered up to here is in doubts or over
	doubts   map[uint64]string // its open announcements
	suspect  bool              // Suspect is due before the next lease counts
	landed   time.Duration     // when the last orphan of its earlier processes has landed
	until    time.Duration     // end of the lease held from it
	left     bool              // this boot closed in good order, with nothing in flight
	trust    time.Duration     // a boot that started before this moment directly followed one that left; 0: none did
}

func newHolder(peers []Peer, o Options, epoch time.Time) *holder {
	h := &holder{term: o.Lease, landing: o.LandingTime, views: map[string]*view{}}
	h.fresh.epoch, h.fresh.doubts = epoch, map[string]int{}
	h.cache.gone = make(chan struct{})
	for _, p := range peers {
		h.views[p.Name] = &view{doubts: map[uint64]string{}}
	}
	return h
}

// start makes the node fresh at once if it is alone: reads cannot go back where there is one reader.
// The orphans of an earlier process still make everything suspect later, in vouch.
func (h *holder) start(cache Listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cache.cache = cache
	if len(h.views) == 0 {
		h.self = forever
	}
	h.recount()
}

// close ends freshness for good. What peers still say is applied: they wait for the acknowledgment.
func (h *holder) close() { h.fresh.end() }

// vouch records that every write of an earlier process of this node has landed, some of them perhaps
// behind the back of what was read since the start.
func (h *holder) vouch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.vouched {
		return
	}
	h.cache.Suspect()
	h.self, h.vouched = forever, true
	h.recount()
}

// recount publishes until when this node is fresh. Called with mu held.
func (h *holder) recount() {
	until := h.self
	for _, v := range h.views {
		until = min(until, v.until)
	}
	h.fresh.publish(until)
}

// ask returns what a lease request to a peer must say, and the meeting it belongs to.
func (h *holder) ask(peer string) (seen, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[peer]
	return seen{Boot: v.boot, Seq: v.seq}, v.meetings
}

// apply takes a lease answer to a request sent at the moment sent. It reports whether the answer
// brought announcements that the writer may be waiting to have acknowledged.
//
// An answer to a question asked before the latest change of boot is thrown away. Otherwise: the old
// process grants and dies, the new one announces a write and has it acknowledged here, and then the
// late answer of the old one would drop that doubt and make this node fresh.
func (h *holder) apply(peer string, a leaseAnswer, sent time.Duration, meeting int) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[peer]
	if v.meetings != meeting {
		return true
	}
	h.meet(v, a.Boot)
	h.compare(v, a)
	news = h.resync(v, a)
	if h.fresh.now() < v.landed {
		return news
	}
	if v.suspect {
		h.cache.Suspect()
		v.suspect = false
	}
	if a.Heir {
		h.self, h.vouched = forever, true
	}
	v.until = max(v.until, sent+min(h.term, a.Term))
	h.recount()
	return news
}

// meet forgets everything about a peer whose process is another than the one known. From here until
// its next lease answer this node is not fresh, so the doubts of the old process may go.
func (h *holder) meet(v *view, boot string) {
	if v.boot == boot {
		return
	}
	old := *v
	*v = view{boot: boot, meetings: old.meetings + 1, doubts: map[uint64]string{}, trust: old.heirBefore()}
	h.recount()
	for _, key := range old.doubts {
		h.over(key)
	}
}

// compare decides from boot and missed counter whether this node may have missed something.
func (h *holder) compare(v *view, a leaseAnswer) {
	if v.synced && v.missed == a.Missed {
		return
	}
	if started := h.started(a.Age); !v.synced && !inherits(started, v.trust) {
		v.landed = started + h.landing
	}
	v.synced, v.missed, v.suspect = true, a.Missed, true
}

// resync makes the doubts those of the answer, except for what was announced after it was given.
func (h *holder) resync(v *view, a leaseAnswer) (news bool) {
	open := make(map[uint64]bool, len(a.Open))
	for _, o := range a.Open {
		open[o.Seq] = true
		news = news || o.Seq > v.seq
		// A doubt may come back here that a notice ended while the answer was under way; the next
		// answer takes it away again.
		h.changing(v, o.Seq, string(o.Key))
	}
	for seq, key := range v.doubts {
		if seq <= a.Seq && !open[seq] {
			delete(v.doubts, seq)
			h.over(key)
		}
	}
	v.seq = max(v.seq, a.Seq)
	return news
}

// hear applies a notice. An intent of a process not known yet is applied as well, and ends the lease
// held from the one that was known: the next answer resynchronises. An error means that the cache may
// not know of the notice, which must not be acknowledged.
func (h *holder) hear(m notice) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v, key := h.views[m.From], string(m.Key); m.Over {
		h.ended(v, m.Boot, m.Seq, key)
	} else {
		h.intend(v, m.Boot, m.Seq, key)
	}
	if h.cache.givenUp() {
		return ErrClosed
	}
	return nil
}

func (h *holder) intend(v *view, boot string, seq uint64, key string) {
	h.meet(v, boot)
	// An intent that arrives after its end stays until the next answer, a heartbeat at most. One
	// numbered at or below the last answer is in doubts already, or over: a late copy.
	if seq > v.seq {
		h.changing(v, seq, key)
	}
}

// ended is quiet about what the last answer has ended already: what was fetched since then is good.
func (h *holder) ended(v *view, boot string, seq uint64, key string) {
	_, held := v.doubts[seq]
	switch known := v.boot == boot; {
	case known && held:
		delete(v.doubts, seq)
		h.over(key)
	case !known || seq > v.seq:
		h.cache.Changed(key)
	}
}

func (h *holder) changing(v *view, seq uint64, key string) {
	if _, held := v.doubts[seq]; held {
		return
	}
	v.doubts[seq] = key
	h.fresh.doubt(key)
	h.cache.Changing(key)
}

func (h *holder) over(key string) {
	h.cache.Changed(key)
	h.fresh.settle(key)
}
