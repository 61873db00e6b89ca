package diskcache

import "errors"

// evict deletes a segment with all that is in it. It needs the gate.
//
// The newest record of a key may have to go before an older one does: the queues are
// emptied each at its own pace, and a copy is in a younger file than what replaces it.
// So what the newest hides is void, on disk, before it goes; else the next process would
// find it. Which records hide something, says [Cache.uncovers].
func (d *disk) evict(s *segment) {
	d.evicted.Add(1)
	owed := d.forgetAll(s)
	d.delete(s)
	var err error
	for _, e := range owed {
		if failed := d.frame(frameDrop, e.hash, e.seq+1); failed != nil {
			d.failures.Add(1)
			err = failed
		}
	}
	if err != nil {
		d.log.Error("diskcache: a replaced entry may be found again, as suspect, after a restart", "error", err)
	}
	d.prune()
}

// forgetAll removes what the index knows of a segment. It returns the records of which a
// full disk could not note that they are void; it can when the segment has gone.
func (d *disk) forgetAll(s *segment) (owed []entry) {
	records := 0
	copies := d.table.holds(slot{file: s.original})
	err := d.entries(s, func(e entry) {
		records++
		if d.index.uncovers(e, s.number) {
			d.index.voided(e)
			if d.frame(frameDrop, e.hash, e.seq+1) != nil {
				d.strays.add(e.hash)
				owed = append(owed, e)
			}
		}
		if copies {
			d.strays.add(e.hash)
		}
		d.index.forget(e.hash, s.number, e.off)
	})
	if err != nil { // slots that stay lead nowhere and are removed when they are met
		d.failures.Add(1)
	}
	s.records = max(s.records, records)
	return owed
}

// entries calls f for every record of a segment, and for some of them twice where blocks
// are damaged. One that was found at Open need not have been loaded yet.
func (d *disk) entries(s *segment, f func(entry)) error {
	for _, e := range s.pending {
		f(e)
	}
	t := newSegment(s.segmentHeader, s.aead, s.f)
	if t.last = s.last; t.last == 0 && s.loading && t.readTrailer(s.foundSize) != nil {
		return heads(s, f)
	}
	if _, err := entriesOf(s, t.last, f); err != nil {
		return heads(s, f)
	}
	return nil
}

// heads reads the records themselves, as scan does, up to the first that is not whole.
func heads(s *segment, f func(entry)) error {
	if s.solo {
		return errDamaged
	}
	t := newSegment(s.segmentHeader, s.aead, s.f)
	for w := (window{f: s.f, size: max(s.size, s.foundSize)}); ; {
		e, n, err := w.next(t)
		switch {
		case errors.Is(err, errDamaged):
			return nil
		case err != nil:
			return err
		case n > 0:
			f(e)
		}
	}
}
