package diskcache

// publish makes a record of the stream and inserts it.
func (w *Writer) publish(m Meta) error {
	c := w.c
	if err := checkEntry(w.key, m); err != nil {
		return err
	}
	if err := w.spill(w.buf, true); err != nil {
		return err
	}
	r := record{
		hash: w.hash, stored: c.ages.now(), group: c.group(m.Group), replaces: c.onDisk(w.hash),
		codec: codecEach, size: uint64(w.written), chunk: streamChunk, lens: w.spool.lens,
		key: []byte(w.key), version: []byte(m.Version), name: []byte(m.Group), blob: m.Blob,
	}
	p, err := w.place(&r)
	if err != nil {
		return err
	}
	defer p.seg.release()
	r.seq = p.seq
	// Not into memory: it is not there, and one large stream would push out what
	// many ask for.
	return c.commitItem(c.item(w.hash, w.key, &r, View{}), w.fence, &p, false)
}

// place makes the spool's file the record's or, lest the disk fill with small files,
// copies into a segment what has turned out small enough for one.
func (w *Writer) place(r *record) (p placed, err error) {
	d, sp := w.c.disk, w.spool
	dr := &draft{record: *r, queue: sp.queue}
	dr.takeFrom(sp)
	if dr.header().total() > d.segmentBytes/2 {
		err = d.guard(func() error {
			p, err = d.publish(dr, w.c.allowed(r, w.fence))
			return err
		})
		if err == nil {
			w.spool = nil // the file stays
		}
		return p, err
	}
	if dr, err = d.liftSpool(sp, r); err != nil {
		return placed{}, err
	}
	defer dr.from.close()
	return d.append(dr, w.c.allowed(r, w.fence))
}
