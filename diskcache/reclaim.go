package diskcache

import (
	"sync"
	"sync/atomic"
)

// reclaim empties one segment after the other, a few records for each Put, so
// that no Put pays for a whole segment. Records that are used are copied to the
// end of the main queue; copying re-seals them, since they are bound to their
// place. When all have been looked at, the file is deleted, and only then are the
// slots of the others removed: as long as a record can be found on disk, a Drop
// must find its slot.
type reclaim struct {
	turn   gate         // of Puts, see tend
	coming atomic.Int64 // bytes of Puts under way

	mu     sync.Mutex
	victim *segment // with a reference, or nil
	walk   blockWalk
	batch  []byte
	cold   []uint64 // hashes
	kept   int64    // bytes copied
	graves []grave
}

// grave is a deleted segment whose slots are still there.
type grave struct {
	file   uint32
	queue  int
	hashes []uint64
}

const (
	// Work for each byte that is put. Of a segment of the main queue at most three
	// quarters are kept, so looking at four bytes frees one; from probation what
	// was used moves without a bound, and makes the main queue give more.
	workPerByte = 6
	keptOf4     = 3
	leastWork   = 4 << 10
	stepWork    = 256 // of a record that is only looked at

	// Slots of what was evicted that a Put removes, and one more for each sweepPer
	// bytes: a large record evicts as many small ones as its place had.
	sweepBatch = 64
	sweepPer   = 64
)

// step looks at one record, or does what comes between two segments.
func (d *disk) step() (work int64) {
	r := &d.reclaim
	if r.victim == nil && !d.pick() {
		return 1 << 62
	}
	if len(r.batch) == 0 {
		b, err := r.walk.block()
		if err != nil {
			d.failures.Add(1)
			b = d.unindexed()
		}
		if r.batch = b; len(b) == 0 {
			d.finish()
			return leastWork
		}
	}
	work, err := d.judge(parseEntry(r.batch))
	if err != nil {
		return 1 << 62 // the next Put asks again; room can be made by eviction
	}
	r.batch = r.batch[entryBytes:]
	return work
}

// pick takes the segment whose turn it is.
func (d *disk) pick() bool {
	r := &d.reclaim
	d.gate.lock()
	defer d.gate.unlock()
	q := d.policy.victim(d.queues[probation].bytes, d.queues[mainQueue].bytes)
	s := d.oldest(q, nil)
	if s == nil {
		s = d.oldest(1-q, nil)
	}
	if s == nil || s.loading || !s.acquire() {
		return false
	}
	r.victim, r.walk = s, blockWalk{seg: s, next: s.last, buf: r.walk.buf}
	r.batch, r.cold, r.kept = nil, nil, 0
	for _, e := range s.pending { // which could not be sealed, and are in no block
		r.batch = e.appendTo(r.batch)
	}
	return true
}

// judge decides about one record. It fails if the record may not go yet.
func (d *disk) judge(e entry) (work int64, err error) {
	r := &d.reclaim
	sl, hot, ok := d.index.current(e.hash, r.victim.number, e.off)
	if ok && hot && r.mayKeep(int64(e.size)) && d.keep(sl, e) {
		r.kept += int64(e.size)
		return int64(e.size) + stepWork, nil
	}
	// An older record of the key may outlive this one, in a segment whose turn
	// comes later.
	if d.index.uncovers(e, r.victim.number) {
		if err := d.void(e.hash, e.seq+1); err != nil {
			return 0, err
		}
	}
	if ok {
		r.cold = append(r.cold, e.hash)
	}
	return stepWork, nil
}

// unindexed returns the victim's records where a block cannot be read. Those that have
// been looked at are not current any more, or are once more what they were.
func (d *disk) unindexed() (batch []byte) {
	r := &d.reclaim
	r.walk.next = 0
	if err := heads(r.victim, func(e entry) { batch = e.appendTo(batch) }); err != nil {
		d.failures.Add(1) // their slots stay, and lead nowhere
	}
	return batch
}

func (r *reclaim) mayKeep(n int64) bool {
	return r.victim.solo || r.victim.q == probation || r.kept+n <= r.victim.claimed/4*keptOf4
}

// keep moves a record to the end of the main queue: by copying it or, if it has a
// file of its own, by the file.
func (d *disk) keep(sl slot, e entry) bool {
	if d.reclaim.victim.solo {
		return d.requeue(sl)
	}
	dr, err := d.lift(sl)
	if err != nil {
		return false
	}
	defer dr.from.close()
	// A Drop that comes between the copy and its slot must find it.
	d.index.writing(sl.hash, 1)
	defer d.index.writing(sl.hash, -1)
	if d.index.expiredNow(dr.stored) {
		return false
	}
	dr.queue, dr.replaces, dr.original = mainQueue, e.replaces, sl.file
	p, err := d.append(dr, func() bool {
		_, _, ok := d.index.current(sl.hash, sl.file, sl.off)
		return ok
	})
	if err != nil {
		return false
	}
	defer p.seg.release()
	d.reinserted.Add(1)
	if !d.index.moved(sl, p.slot(sl.hash, 0)) {
		d.voidRecord(sl.hash, p.seq) // replaced, or evicted to make room for its copy
	}
	return true
}

func (d *disk) requeue(sl slot) bool {
	r := &d.reclaim
	to := sl
	to.order = sl.seq() << 2 // to be used again, or go next time
	if !d.index.moved(sl, to) {
		return false
	}
	d.gate.lock()
	defer d.gate.unlock()
	s := r.victim
	if !d.table.holds(slot{file: s.number}) {
		return false
	}
	d.queues[s.q].remove(s)
	s.q = mainQueue
	d.queues[mainQueue].push(s)
	r.victim = nil
	s.release()
	return true
}

// finish deletes the segment that has been looked through.
func (d *disk) finish() {
	r := &d.reclaim
	s := r.victim
	d.gate.lock()
	d.delete(s)
	d.evicted.Add(1)
	d.prune()
	d.gate.unlock()
	r.graves = append(r.graves, grave{s.number, s.q, r.cold})
	r.victim, r.cold = nil, nil
	s.release()
}

// sweep removes slots of deleted segments.
func (d *disk) sweep(n int) {
	r := &d.reclaim
	for ; n > 0 && len(r.graves) > 0; n-- {
		g := &r.graves[0]
		if len(g.hashes) == 0 {
			r.graves = r.graves[1:]
			continue
		}
		hash := g.hashes[len(g.hashes)-1]
		g.hashes = g.hashes[:len(g.hashes)-1]
		if d.index.forget(hash, g.file, 0) {
			d.policy.remember(hash, g.queue)
		}
	}
}

// quit ends a reclaim under way, when the cache is closed or emptied.
func (d *disk) quit() {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.victim != nil {
		r.victim.release()
	}
	r.victim, r.batch, r.cold, r.graves = nil, nil, nil, nil
}
