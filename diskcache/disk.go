package diskcache

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// disk is the disk tier: it appends records to segments, reclaims segments when
// there is no room, and reads records back. It does not know which record of a
// key is current; the shards do.
type disk struct {
	root         *os.Root
	key          *cacheKey
	limit        int64
	segmentBytes int64
	wrap         func(file) file
	log          *slog.Logger
	index        indexer

	table   table
	drops   drops
	groups  groups
	breaker breaker
	policy  policy
	space   space
	strays  strays
	scratch sync.Pool // of *scratch

	// seq numbers records and drops. It is drawn under gate, so that a drop
	// which takes the gate after an append has a higher number than the record
	// it must void.
	seq atomic.Uint64

	evicted, reinserted, failures atomic.Uint64
	used                          atomic.Int64 // bytes, for usage

	gate   gate
	active [2]*segment // where records of each queue go; nil: none yet
	queues [2]queue
	number uint32 // of the next file
	bytes  int64  // on disk, all files, rounded up to blocks

	// forgotten counts what deleting has cost so far; see evictWork.
	forgotten int64

	undeleted []*segment // are in no table, but perhaps in the folder

	closed bool

	reclaim reclaim
}

// indexer is what the disk needs of the cache that it belongs to.
type indexer interface {
	// current returns the slot of hash if its record is the one in that place.
	current(hash uint64, file, off uint32) (sl slot, hot, ok bool)
	// uncovers reports whether an older record of the key would be found by the next
	// process once the one of e in that file has gone.
	uncovers(e entry, file uint32) bool
	// voided is told of each record that is void for that reason.
	voided(e entry)
	// forget removes the slot of hash if its record is in that file, and in that place
	// unless off is 0: in one file there may be several of a key.
	forget(hash uint64, file, off uint32) bool
	// moved replaces a slot by that of a copy, if it is still current.
	moved(from, to slot) bool
	// writing counts who may have a record of that hash on disk that has no slot.
	writing(hash uint64, n int32)
	// expiredNow reports whether what was stored then is too old.
	expiredNow(stored int64) bool
}

// enlist makes a segment known.
func (d *disk) enlist(s *segment) {
	s.claimed = s.claim()
	d.bytes += s.claimed
	d.table.add(s)
	d.queues[s.q].push(s)
}

// account follows a change of the segment's size.
func (d *disk) account(s *segment) {
	claim := s.claim()
	d.bytes += claim - s.claimed
	d.queues[s.q].bytes += claim - s.claimed
	s.claimed = claim
}

// delete removes a segment. It needs the gate. Nothing on the way can wait for a
// reader: one that is in the middle of a read keeps the file open.
func (d *disk) delete(s *segment) {
	if !d.table.remove(s) {
		return
	}
	for i := range d.active {
		if d.active[i] == s {
			d.active[i] = nil
		}
	}
	d.queues[s.q].remove(s)
	if err := d.root.Remove(s.name()); err != nil {
		d.failures.Add(1)
		d.strays.addAll()
		d.log.Error("diskcache: cannot delete a segment", "error", err)
		d.undeleted = append(d.undeleted, s)
	} else {
		d.bytes -= s.claimed
	}
	d.deleteAgain()
	d.forgotten += int64(s.records) + segmentWork
	s.release()
}

// deleteAgain tries those that could not be deleted. Until it succeeds, they take their
// space, and no drop that voids what is in them may be forgotten.
func (d *disk) deleteAgain() {
	d.undeleted = slices.DeleteFunc(d.undeleted, func(s *segment) bool {
		if err := d.root.Remove(s.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		d.bytes -= s.claimed
		return true
	})
}

// oldest returns the segment of a queue that would go first, but not one that is
// being written to, nor the spared.
func (d *disk) oldest(q int, spared *segment) *segment {
	for _, s := range d.queues[q].order {
		if s != spared && s != d.active[q] && !s.writing.Load() {
			return s
		}
	}
	return nil
}

// evictNow makes room at once, without a look at what is used: on a full disk, or
// if reclaiming cannot keep up. It is false if there is nothing to evict.
func (d *disk) evictNow(spared *segment) bool {
	s := d.oldest(d.policy.victim(d.queues[probation].bytes, d.queues[mainQueue].bytes), spared)
	if s == nil {
		if s = d.oldest(probation, spared); s == nil {
			s = d.oldest(mainQueue, spared)
		}
	}
	for q := range d.active {
		if s == nil && d.active[q] != spared {
			s = d.active[q]
		}
	}
	if s == nil {
		return false
	}
	d.evict(s)
	return true
}

// retire deletes the file of a large record that is no longer current. Within an
// ordinary segment the space stays taken until the segment is reclaimed.
func (d *disk) retire(number uint32) {
	s := d.table.acquire(number)
	if s == nil {
		return
	}
	defer s.release()
	// On a stalled disk it stays, and is reclaimed in its turn.
	if s.solo && d.gate.tryLock() {
		defer d.gate.unlock()
		d.delete(s)
	}
}

// usage returns the last numbers known if the disk is stalled.
func (d *disk) usage() (bytes int64, segments int) {
	if d.gate.tryLock() {
		d.used.Store(d.bytes)
		d.gate.unlock()
	}
	return d.used.Load(), d.table.len()
}

// close seals what is being written, so that the next start need not scan it,
// deletes what cannot become complete any more, and closes every file once its last
// reader has gone.
func (d *disk) close() {
	d.gate.lock()
	defer d.gate.unlock()
	d.closed = true
	for _, s := range d.active {
		if s != nil {
			if err := d.sealSegment(s); err != nil {
				d.log.Warn("diskcache: the next start will take longer: a segment could not be sealed", "error", err)
			}
		}
	}
	for _, s := range d.table.all() {
		if s.writing.Load() {
			d.delete(s)
			continue
		}
		d.queues[s.q].remove(s)
		if d.table.remove(s) {
			s.release()
		}
	}
	d.active = [2]*segment{}
	d.drops.close()
	d.groups.secrets.close()
	clear(d.key[:])
}
