package diskcache

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// disk is the disk tier: it appends records to segments, evicts the oldest
// segment when there is no room, and reads records back. It does not know
// which record of a key is current; the shards do.
type disk struct {
	root         *os.Root
	key          *cacheKey
	limit        int64
	segmentBytes int64
	wrap         func(file) file
	log          *slog.Logger

	// forget is told which hashes had their record in an evicted segment.
	forget func(number uint64, hashes []uint64)

	table   *table
	scratch sync.Pool // of *scratch

	// seq numbers records. It is drawn under mu by appends, so that records
	// of one file are in its order, and so that a drop which takes mu after
	// an append has a higher number than the record it must void.
	seq atomic.Uint64

	evicted  atomic.Uint64
	failures atomic.Uint64

	mu     sync.Mutex
	active *segment // small records go here; nil: none yet
	number uint64   // of the next file
	bytes  int64    // on disk, all files, rounded up to blocks
}

// footprint is what a file of size bytes takes on a disk of 4 KiB blocks.
func footprint(size int64) int64 { return (size + blockBytes - 1) / blockBytes * blockBytes }

const blockBytes = 4096

// enlist gives a segment its turn to be evicted, which comes before that of
// any drop that voids a record in it. A drop is appended to the active segment
// or to one made later, so a large record's file, though newer, goes before
// the active one. Behind it, the drop could be evicted while the large Put is
// still returning, and a process killed then would leave the record without
// its drop. Beginning a new segment instead would cost an open file for each
// large record, also for those that are soon replaced.
func (d *disk) enlist(s *segment) {
	var before *segment
	if s.solo {
		before = d.active
	}
	d.table.add(s, before)
	d.bytes += footprint(s.size)
}

// evict deletes a segment. It needs d.mu. Nothing on the way can wait for a
// reader: one that is in the middle of a read keeps the file open.
func (d *disk) evict(s *segment) {
	if !d.table.remove(s) {
		return
	}
	if d.active == s {
		d.active = nil
	}
	if err := d.root.Remove(segmentName(s.number)); err != nil {
		d.failures.Add(1)
		d.log.Error("diskcache: cannot delete a segment, the folder may outgrow MaxBytes", "error", err)
	}
	d.forget(s.number, s.retire())
	d.bytes -= footprint(s.size)
	s.release()
}

// evictOldest makes room. It is false if there is nothing to evict, or if it
// is the turn of the segment being written, which is spared. No other one goes
// instead: the order is more than a policy, see enlist, and the next segment
// may hold the drop that voids what is being written.
func (d *disk) evictOldest(spared *segment) bool {
	s := d.table.oldest()
	if s == nil || s == spared {
		return false
	}
	d.evict(s)
	d.evicted.Add(1)
	return true
}

// retire deletes the file of a large record that is no longer current.
// Within an ordinary segment the space stays taken until the segment's turn.
func (d *disk) retire(number uint64) {
	s := d.table.acquire(number)
	if s == nil {
		return
	}
	defer s.release()
	if s.solo {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.evict(s)
	}
}

// dropAll deletes every segment and leaves a record that says so: a large
// record whose file is being written at this moment must not come back if
// the process dies before its writer notices that it has been fenced.
func (d *disk) dropAll(stored int64) error {
	d.mu.Lock()
	for _, s := range d.table.all() {
		d.evict(s)
	}
	d.mu.Unlock()
	return d.appendDrop(record{kind: kindDropAll, stored: stored})
}

// appendDrop writes a record without a body.
func (d *disk) appendDrop(r record) error {
	p, err := d.append(&draft{record: r}, always)
	if err == nil {
		p.seg.release()
	}
	return err
}

func (d *disk) usage() (bytes int64, segments int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes, d.table.len()
}

// close closes every file once its last reader has gone.
func (d *disk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active = nil
	for _, s := range d.table.all() {
		if d.table.remove(s) {
			s.release()
		}
	}
	clear(d.key[:])
}
