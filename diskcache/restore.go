package diskcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// restore finds the entries that an earlier process left. It reads metadata
// and skips bodies. Whatever it finds is suspect: neither the order of writes
// nor the absence of an older copy of the folder can be relied on, so the
// store asks its source once before it believes an entry.
func (c *Cache) restore(ctx context.Context) error {
	numbers, err := segmentNumbers(c.folder)
	if err != nil {
		return fmt.Errorf("diskcache: %w", err)
	}
	if ctx.Err() != nil {
		return calledOff(ctx)
	}
	found := survey{cache: c, drops: make(map[uint64]uint64)}
	for _, number := range numbers {
		if ctx.Err() != nil {
			return calledOff(ctx)
		}
		if err := found.open(number); err != nil {
			return err
		}
	}
	found.settle()
	return nil
}

func calledOff(ctx context.Context) error {
	return fmt.Errorf("diskcache: opening was called off: %w", context.Cause(ctx))
}

// maxNumber is the highest number of a file. No cache gets there by counting.
const maxNumber = 1<<63 - 1

// segmentNumbers lists the segments, oldest first. It deletes those whose
// number is never given out (0 stands for a slot without a file): nobody would
// ever count or evict them.
func segmentNumbers(fo *folder) ([]uint64, error) {
	names, err := fo.names()
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		n, ok := parseSegmentName(name)
		switch {
		case !ok:
		case n > 0 && n <= maxNumber:
			numbers = append(numbers, n)
		default:
			if err := fo.root.Remove(name); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// survey is what restore has seen so far. For each key the highest sequence
// number counts, wherever it is: large records have files of their own, so
// the order of files is not the order of records.
type survey struct {
	cache   *Cache
	drops   map[uint64]uint64 // by hash: the highest drop
	dropAll uint64
}

// open scans one segment and keeps it open, or deletes it if nothing in it
// can be read: after a crash right after it was made, or on a failing disk,
// which must not hold bytes that count and can never be used.
func (v *survey) open(number uint64) error {
	d := v.cache.disk
	raw, err := d.root.OpenFile(segmentName(number), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("diskcache: %w", err)
	}
	info, err := raw.Stat()
	if err != nil {
		_ = raw.Close()
		return fmt.Errorf("diskcache: %w", err)
	}
	s, err := v.scan(d.wrap(raw), number, info.Size())
	if err == nil {
		// Only a file of ours, with a record that opened, moves the number: a
		// name is anybody's, and one near the end of the range would make
		// every later file one that the next process does not look for.
		d.number = max(d.number, number+1)
		d.enlist(s)
		return nil
	}
	_ = raw.Close()
	if !errors.Is(err, errDamaged) {
		d.failures.Add(1)
		d.log.Warn("diskcache: a segment cannot be read and is deleted", "error", err)
	}
	if err := d.root.Remove(segmentName(number)); err != nil {
		return fmt.Errorf("diskcache: cannot delete a useless segment: %w", err)
	}
	return nil
}

// scan reads all metadata of a segment and cuts off what follows the last
// whole record: a record that was being written when the process died.
func (v *survey) scan(f file, number uint64, size int64) (*segment, error) {
	h, err := readHeader(f, number)
	if err != nil {
		return nil, err
	}
	d := v.cache.disk
	s, err := newSegment(d.key, h, f)
	if err != nil {
		return nil, err
	}
	w := window{f: f, size: size}
	records := 0
	for s.size < size {
		p, r, err := w.record(s)
		if errors.Is(err, errDamaged) {
			break
		}
		if err != nil {
			return nil, err
		}
		v.note(p, &r)
		s.size += p.total()
		records++
	}
	if records == 0 {
		return nil, errDamaged
	}
	if s.size < size {
		if err := f.Truncate(s.size); err != nil {
			return nil, err
		}
	}
	if !s.solo {
		d.active = s // the newest is continued, so that restarts do not pile up files
	}
	return s, nil
}

func (v *survey) note(p place, r *record) {
	c := v.cache
	c.disk.seq.Store(max(c.disk.seq.Load(), r.seq))
	key := string(r.key)
	hash := c.hash(key)
	switch s := c.shard(hash); r.kind {
	case kindEntry:
		if r.seq > s.slots[hash].seq {
			s.slots[hash] = placed{place: p, seq: r.seq}.slot(0, c.versionHash(key, string(r.version)))
			p.seg.note(hash)
		}
	case kindDrop:
		v.drops[hash] = max(v.drops[hash], r.seq)
	case kindDropAll:
		v.dropAll = max(v.dropAll, r.seq)
	}
}

// settle applies the drops, deletes large records that are not current, and
// evicts down to a bound that may have become smaller.
func (v *survey) settle() {
	c, d := v.cache, v.cache.disk
	// Should the newest records have been lost, new ones must still be newer
	// than they were, in case they turn up again.
	d.seq.Store(max(d.seq.Load(), uint64(time.Now().UnixNano())))
	solo := make(map[uint64]bool)
	for i := range c.shards {
		s := &c.shards[i]
		for hash, sl := range s.slots {
			if sl.seq < max(v.drops[hash], v.dropAll) {
				delete(s.slots, hash)
				continue
			}
			solo[sl.file] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.table.all() {
		if s.solo && !solo[s.number] {
			d.evict(s)
		}
	}
	for d.bytes > d.limit && d.evictOldest(nil) {
	}
}
