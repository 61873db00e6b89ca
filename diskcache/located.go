package diskcache

import "bytes"

// located is a record that is read piecemeal: what its first message said, without
// its data. It holds no reference to the segment. One that did would keep a deleted
// file, and its space, for as long as somebody's download takes, and so break the
// bound that MaxBytes is.
type located struct {
	slot slot
	opened
	aad chunkAAD
	at  []int64 // offsets in the record of the chunks behind the first
}

// locate makes a located of a record that has just been opened.
func (o *opened) locate(sl slot) *located {
	l := &located{slot: sl, opened: *o, aad: o.chunksAAD(nil)}
	l.lens = bytes.Clone(o.lens)
	l.seg, l.meta, l.opened.chunk, l.raw, l.head, l.first = nil, nil, nil, nil, nil, nil
	l.key, l.version, l.name, l.blob = nil, nil, nil, nil
	l.at = make([]int64, 0, o.chunks())
	off := l.offset(o.firstBehind())
	for n := o.firstBehind(); n < o.chunks(); n++ {
		l.at = append(l.at, off)
		off += int64(o.encoded(n)) + sealOverhead
	}
	return l
}

// chunk reads chunk n of a record into dst, which is as long as its plaintext.
func (d *disk) chunk(l *located, n int, dst []byte) error {
	if err := d.breaker.enter(); err != nil {
		return err
	}
	err := d.chunkChecked(l, n, dst)
	d.breaker.exit(reading, deviceError(err))
	return err
}

func (d *disk) chunkChecked(l *located, n int, dst []byte) error {
	sc := d.getScratch()
	defer d.putScratch(sc)
	if n < l.firstBehind() { // it is part of the first message
		o, err := d.open(l.slot, sc)
		if err != nil {
			return err
		}
		defer o.seg.release()
		if o.size != l.size || o.record.chunk != l.record.chunk {
			return errDamaged
		}
		return o.into(n, dst, o.chunk)
	}
	seg := d.table.acquire(l.slot.file)
	if seg == nil {
		return errGone
	}
	defer seg.release()
	sc.encoded = grow(sc.encoded, l.encoded(n)+sealOverhead)
	if err := seg.readAt(sc.encoded, l.off+l.at[n-l.firstBehind()]); err != nil {
		return err
	}
	// Others read with the same located.
	sc.aad = append(sc.aad[:0], l.aad...)
	return l.openChunk(n, sc.encoded, sc.aad, dst, sc)
}

// follow finds a record again that has been copied to another segment. A copy has
// the number of its original, and no other record has.
func (c *Cache) follow(l *located) (*located, error) {
	sl, ok := c.peekSlot(l.slot.hash)
	if !ok || sl.seq() != l.slot.seq() || sl.file == l.slot.file {
		return nil, errGone
	}
	return c.disk.locate(sl)
}

func (d *disk) locate(sl slot) (*located, error) {
	if err := d.breaker.enter(); err != nil {
		return nil, err
	}
	sc := d.getScratch()
	defer d.putScratch(sc)
	o, err := d.open(sl, sc)
	d.breaker.exit(reading, deviceError(err))
	if err != nil {
		return nil, err
	}
	defer o.seg.release()
	return o.locate(sl), nil
}
