package diskcache

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
)

// segmentFor returns a segment with room for n bytes, for which it evicts.
func (d *disk) segmentFor(n int64, q int) (*segment, error) {
	if err := d.makeRoom(n); err != nil {
		return nil, err
	}
	if s := d.active[q]; s != nil && s.full(n, d.segmentBytes) {
		d.active[q] = nil // it stays in the table, to be read
		if err := d.sealSegment(s); err != nil {
			d.log.Warn("diskcache: the next start will take longer: a segment could not be sealed", "error", err)
		}
	}
	if d.active[q] == nil {
		s, err := d.create(q, false)
		if err != nil {
			return nil, err
		}
		d.active[q] = s
	}
	return d.active[q], nil
}

// create makes a segment file. On a full disk it evicts and tries once more.
func (d *disk) create(q int, solo bool) (*segment, error) {
	if d.number > maxNumber {
		return nil, fmt.Errorf("diskcache: file numbers are used up: %w", ErrTooLarge)
	}
	h := newSegmentHeader(d.number, d.seq.Load(), byte(q), solo)
	d.number++
	f, err := d.openNew(h.name())
	if isFull(err) && d.evictNow(nil) {
		f, err = d.openNew(h.name())
	}
	if err != nil {
		return nil, err
	}
	s := newSegment(h, h.aead(d.key), f)
	d.enlist(s)
	if err := d.writeAt(s, h.seal(s.aead), 0); err != nil {
		d.delete(s)
		return nil, err
	}
	return s, nil
}

func (d *disk) openNew(name string) (file, error) {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return d.wrap(f), nil
}

// writeAt writes to a segment; on a full disk it evicts and tries once more.
func (d *disk) writeAt(s *segment, b []byte, off int64) error {
	_, err := s.f.WriteAt(b, off)
	if isFull(err) && d.evictNow(s) {
		_, err = s.f.WriteAt(b, off)
	}
	return err
}

// writeRest seals and writes the chunks behind the first, without the gate.
func (d *disk) writeRest(p place, dr *draft, aead cipher.AEAD, meta []byte, sc *scratch) error {
	aad := p.appendChunk(sc.aad[:0], &dr.record, meta)
	sc.aad = aad
	off := p.off + headerBytes + headSealed + int64(p.header.len())
	body := dr.body[len(dr.first()):]
	last := dr.chunks() - 1
	for n := 1; n <= last; {
		sc.sealed = sc.sealed[:0]
		for ; n <= last && len(sc.sealed) < chunkLZ; n++ {
			part, err := dr.part(n, &body)
			if err != nil {
				return err
			}
			sc.sealed = aead.Seal(sc.sealed, nil, part, aad.of(n, n == last))
		}
		if err := d.writeBody(p.seg, sc.sealed, off); err != nil {
			return d.failed(err)
		}
		off += int64(len(sc.sealed))
	}
	return nil
}

func (d *disk) writeBody(s *segment, b []byte, off int64) error {
	_, err := s.f.WriteAt(b, off)
	if !isFull(err) {
		return err
	}
	d.gate.lock()
	defer d.gate.unlock()
	return d.writeAt(s, b, off)
}

// bodyBehind is the length of the encoded chunks behind the first.
func (r *record) bodyBehind() int { return int(r.rest()) - (r.chunks()-1)*sealOverhead }

// part returns chunk n > 0 of the draft, after the codec. behind is what is left of
// the body.
func (dr *draft) part(n int, behind *[]byte) ([]byte, error) {
	if dr.from != nil {
		return dr.from.next(n)
	}
	part := (*behind)[:dr.encoded(n)]
	*behind = (*behind)[len(part):]
	return part, nil
}

func (d *disk) failed(err error) error {
	if !errors.Is(err, ErrTooLarge) {
		d.failures.Add(1)
	}
	return fmt.Errorf("diskcache: the record was not written: %w", err)
}
