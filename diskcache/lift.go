package diskcache

// lifted is a record that is being copied, from a segment or from a spool: opened,
// but not decoded, and one chunk at a time, since it may be half a gigabyte. It holds
// a reference to the segment until it is closed.
type lifted struct {
	opened
	off int64
	aad chunkAAD
	sc  scratch
	buf []byte
}

// lift begins to copy the record at sl.
func (d *disk) lift(sl slot) (dr *draft, err error) {
	if err := d.breaker.enter(); err != nil {
		return nil, err
	}
	defer func() { d.breaker.exit(reading, deviceError(err)) }()
	sc := newScratch().(*scratch) // the draft keeps what is in it
	o, err := d.open(sl, sc)
	if err != nil {
		return nil, err
	}
	return &draft{record: o.record, body: o.chunk, from: o.lifted()}, nil
}

func (o *opened) lifted() *lifted {
	return &lifted{opened: *o, off: o.offset(o.firstBehind()), aad: o.chunksAAD(nil)}
}

// next returns chunk n, which must be the one behind the last, after the codec.
func (l *lifted) next(n int) ([]byte, error) {
	sealed, err := l.sealedChunk(n, l.off, &l.sc)
	if err != nil {
		return nil, err
	}
	l.off += int64(len(sealed))
	if l.buf, err = l.aead.Open(l.buf[:0], nil, sealed, l.aad.of(n, n == l.chunks()-1)); err != nil {
		return nil, errDamaged
	}
	return l.buf, nil
}

func (l *lifted) close() { l.seg.release() }

// liftSpool begins to copy a spool that has turned out small enough for a segment.
func (d *disk) liftSpool(sp *spool, r *record) (*draft, error) {
	s := d.table.acquire(sp.file)
	if s == nil {
		return nil, ErrFenced
	}
	o := &opened{place: place{seg: s, off: fileHeader}, record: *r, aead: sp.aead, apart: true}
	dr := &draft{record: *r, from: o.lifted(), queue: sp.queue}
	first, err := dr.from.next(0)
	if err != nil {
		dr.from.close()
		return nil, err
	}
	dr.body = append([]byte(nil), first...)
	return dr, nil
}
