package diskcache

import "fmt"

// draft is a record that has not got its place yet.
type draft struct {
	record
	body  []byte  // after the codec, all chunks
	from  *lifted // instead, of what is copied; body is then chunk 0 alone
	apart *spool  // where the body has been written already; body is then its secret
	queue int

	original uint32 // file of what this is a copy of; 0: nothing
}

// first is what the first message has of the body.
func (dr *draft) first() []byte {
	if dr.from != nil || dr.apart != nil {
		return dr.body
	}
	return dr.body[:len(dr.body)-dr.bodyBehind()]
}

// placed is a record that has been written. Its holder owns a reference to the
// segment.
type placed struct {
	place
	seq      uint64
	replaces bool
}

// slot returns how the index knows it.
func (p placed) slot(hash, epoch uint64) slot {
	return slot{
		hash: hash, order: p.seq << 2, file: p.seg.number, off: uint32(p.off),
		size: uint32(min(p.total(), 1<<32-1)), epoch: slotEpoch(epoch),
	}
}

// append writes a draft and returns its place. allowed is asked once no drop can
// slip in between the answer and the record's sequence number; if it says no,
// nothing is written and the error is [ErrFenced].
//
// Chunks behind the first are sealed and written after the gate has been given
// back, so that a drop never waits for a large Put. What tells of the record is
// written at once: a process killed in between leaves a record with a damaged
// body, and everything behind it can still be found.
func (d *disk) append(dr *draft, allowed func() bool) (placed, error) {
	if n := dr.header().total(); n > d.limit/2 {
		return placed{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	if err := d.breaker.enter(); err != nil {
		return placed{}, err
	}
	p, err := d.appendChecked(dr, allowed)
	d.breaker.exit(writing, deviceError(err))
	return p, err
}

func (d *disk) appendChecked(dr *draft, allowed func() bool) (placed, error) {
	if dr.header().total() > d.segmentBytes/2 {
		return d.appendApart(dr, allowed)
	}
	sc := d.getScratch()
	defer d.putScratch(sc)
	sealer, err := d.sealer(dr)
	if err != nil {
		return placed{}, err
	}
	p, meta, err := d.reserve(dr, allowed, &sealer, sc)
	if err != nil {
		return placed{}, err
	}
	if dr.chunks() > 1 {
		if err := d.writeRest(p.place, dr, sealer.body, meta, sc); err != nil {
			d.strays.add(dr.hash) // it may have reached the disk all the same
			p.seg.release()
			return placed{}, err
		}
	}
	return p, nil
}

// reserve gives the draft a place and writes its first part there.
func (d *disk) reserve(dr *draft, allowed func() bool, sealer *sealer, sc *scratch) (placed, []byte, error) {
	h := dr.header()
	if !d.gate.tryLock() {
		return placed{}, nil, errStalled
	}
	defer d.gate.unlock()
	if d.closed {
		return placed{}, nil, ErrClosed
	}
	if !allowed() {
		return placed{}, nil, ErrFenced
	}
	seg, err := d.segmentFor(h.total(), dr.queue)
	if err != nil {
		return placed{}, nil, d.failed(err)
	}
	// A copy keeps the number of its original: it is not newer data.
	if dr.seq == 0 {
		dr.seq = d.seq.Add(1)
	}
	p := place{seg: seg, off: seg.size, header: h}
	sealer.derive(d, seg, dr.group)
	first, meta := sealFirst(p, dr, sealer.body, sc)
	if err := d.writeAt(seg, first, p.off); err != nil {
		// The next record overwrites what was written, if there is one.
		d.strays.add(dr.hash)
		return placed{}, nil, d.failed(err)
	}
	seg.refs.Add(1)
	if err := d.note(seg, p, dr); err != nil {
		seg.release()
		d.strays.add(dr.hash)
		return placed{}, nil, d.failed(err)
	}
	return placed{place: p, seq: dr.seq, replaces: dr.replaces}, meta, nil
}
