package diskcache

// note adds the record to what the next index block will say, and writes the
// block if it is full; a large record's file is sealed.
func (d *disk) note(s *segment, p place, dr *draft) error {
	s.size += p.total()
	s.records++
	s.highest = max(s.highest, dr.seq)
	if dr.original != 0 {
		s.original = dr.original
	}
	s.pending = append(s.pending, entry{
		hash: dr.hash, seq: dr.seq, replaces: dr.replaces,
		off: uint32(p.off), size: uint32(min(p.total(), 1<<32-1)),
	})
	var err error
	if s.solo {
		err = d.sealSegment(s)
	} else if len(s.pending) >= blockEntries {
		if err = d.flush(s, nil); err == nil && len(s.pending) == 0 {
			s.pending = make([]entry, 0, blockEntries)
		}
	}
	d.account(s)
	return err
}

// flush writes the block of the pending records, and what follows it.
func (d *disk) flush(s *segment, more func(b []byte) []byte) error {
	var b []byte
	off, last, pending := s.size, s.last, s.pending
	if n := min(len(s.pending), blockEntries); n > 0 {
		b = s.appendBlock(b, s.pending[:n])
		s.last, s.size, s.pending = off, off+int64(len(b)), s.pending[n:]
	}
	if more != nil {
		b = more(b)
	}
	if err := d.writeAt(s, b, off); err != nil {
		s.last, s.size, s.pending = last, off, pending
		d.account(s)
		return err
	}
	return nil
}

// sealSegment ends a segment: its last block and the trailer.
func (d *disk) sealSegment(s *segment) error {
	if s.sealed {
		return nil
	}
	if err := d.flush(s, s.appendTrailer); err != nil {
		return err
	}
	s.size += trailerBytes
	s.sealed, s.pending = true, nil
	d.account(s)
	return nil
}
