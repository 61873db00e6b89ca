package diskcache

import (
	"context"
	"errors"
	"slices"
)

// loader is the work of load.
type loader struct {
	c     *Cache
	d     *disk
	batch [shardCount][]slot
	count int
	solos []solo

	touched uint64 // so that nobody takes touching for useless
}

// solo is a large record's file and the hash of its record.
type solo struct {
	seg  *segment
	hash uint64
}

// segment loads one segment and gives its reference back.
func (l *loader) segment(ctx context.Context, s *segment) {
	defer s.release()
	if ctx.Err() != nil {
		return
	}
	err := l.blocks(s)
	if errors.Is(err, errDamaged) && !s.solo { // which is whole, or of no use
		err = l.scan(ctx, s)
	}
	l.insert()
	if err == nil || ctx.Err() != nil {
		return
	}
	if !errors.Is(err, errDamaged) {
		l.d.failures.Add(1)
		l.d.log.Warn("diskcache: a segment cannot be read and is deleted", "error", err)
	}
	l.d.gate.lock()
	defer l.d.gate.unlock()
	l.d.delete(s)
}

// blocks loads a segment from its index blocks.
func (l *loader) blocks(s *segment) error {
	last := s.found
	if last == 0 {
		t := *newSegment(s.segmentHeader, s.aead, s.f)
		if err := t.readTrailer(s.foundSize); err != nil {
			return err
		}
		last = t.last
		l.sealed(s, &t)
	}
	n, err := entriesOf(s, last, func(e entry) { l.add(s, e) })
	if err == nil && n == 0 {
		return errDamaged
	}
	if err == nil {
		l.loaded(s)
	}
	return err
}

// sealed takes over what a trailer says.
func (l *loader) sealed(s, t *segment) {
	l.d.gate.lock()
	defer l.d.gate.unlock()
	s.last, s.records, s.highest = t.last, t.records, t.highest
	s.end.Store(t.last)
	l.d.raise(t.highest)
}

func (l *loader) loaded(s *segment) {
	l.d.gate.lock()
	defer l.d.gate.unlock()
	s.loading = false
}

// add collects one record.
func (l *loader) add(s *segment, e entry) {
	if l.c.loading.voids(e) {
		return
	}
	if s.solo {
		l.solos = append(l.solos, solo{s, e.hash})
	}
	sh := e.hash % shardCount
	l.batch[sh] = append(l.batch[sh], slot{hash: e.hash, order: e.seq << 2, file: s.number, off: e.off, size: e.size})
	if l.count++; l.count >= batchSlots {
		l.insert()
	}
}

// insert moves what was collected into the index.
func (l *loader) insert() {
	for i := range l.batch {
		if len(l.batch[i]) == 0 {
			continue
		}
		s := &l.c.shards[i]
		s.mu.Lock()
		before := s.index.count
		for at, sl := range l.batch[i] {
			if at%ahead == 0 {
				l.touched ^= s.index.touch(l.batch[i][at:min(at+ahead, len(l.batch[i]))])
			}
			if s.index.offer(sl) {
				l.d.strays.add(sl.hash) // reclaiming did not finish: see segment.original
			}
		}
		l.c.entries.Add(int64(s.index.count - before))
		s.mu.Unlock()
		l.batch[i] = l.batch[i][:0]
	}
	l.count = 0
}

// readDrops applies what was dropped by earlier processes.
func (l *loader) readDrops() {
	l.d.gate.lock()
	files := slices.Clone(l.d.drops.files)
	n := slices.IndexFunc(files, func(f *dropFile) bool { return f.highest != 1<<64-1 })
	l.d.gate.unlock()
	if n < 0 {
		n = len(files)
	}
	for i, f := range files[:n] { // the others are of this process: it noted them as well
		highest, err := l.readDropFile(f)
		if l.d.dropsGone(f) {
			continue // shredded meanwhile
		}
		if err != nil {
			l.voidOlder(f, files[i+1:], err)
			continue
		}
		l.d.raise(highest)
		l.d.gate.lock()
		f.highest = l.d.seq.Load() // a frame does not say when it was written
		l.d.gate.unlock()
	}
}

func (d *disk) dropsGone(f *dropFile) bool {
	d.gate.lock()
	defer d.gate.unlock()
	return !slices.Contains(d.drops.files, f)
}

func (l *loader) readDropFile(f *dropFile) (highest uint64, err error) {
	if f.aead == nil {
		return 0, errors.New("its header could not be read")
	}
	highest = f.born
	err = f.read(l.d.root, l.d.wrap, func(kind byte, hash, seq uint64) {
		highest = max(highest, seq)
		if kind == frameDropAll {
			l.c.loading.noteAll(seq)
		} else {
			l.c.loading.note(hash, seq)
		}
	})
	return highest, err
}

// settle removes what was dropped, deletes large records that are not current,
// evicts down to a bound that may have become smaller, and lets everybody in.
func (l *loader) settle() {
	c, ld := l.c, &l.c.loading
	ld.mu.Lock()
	if all := ld.all.Load(); all > 0 {
		c.voidAll(all)
	}
	for hash, seq := range ld.drops {
		c.voidFound(hash, seq)
	}
	ld.drops = nil
	c.trim()
	ld.over.Store(true)
	ld.mu.Unlock()
	l.d.gate.lock()
	for _, so := range l.solos {
		if sl, ok := c.peekSlot(so.hash); !ok || sl.file != so.seg.number {
			l.d.delete(so.seg)
		}
	}
	l.d.prune()
	l.d.gate.unlock()
	for errors.Is(l.shrink(), errRoomLater) {
	}
}

// shrink does one share of it.
func (l *loader) shrink() error {
	l.d.gate.lock()
	defer l.d.gate.unlock()
	err := l.d.makeRoom(0)
	if err != nil && !errors.Is(err, errRoomLater) {
		l.d.log.Warn("diskcache: no room for what was found", "error", err)
	}
	return err
}

// trim gives back what was reserved for records that have been replaced or dropped.
func (c *Cache) trim() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		if s.index.count < int(s.index.homes*trimAt/64) {
			s.index.rebuild(s.index.count, nil)
		}
		s.mu.Unlock()
	}
}
