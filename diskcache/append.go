package diskcache

import (
	"fmt"
	"os"
)

// draft is a record that has not got its place yet.
type draft struct {
	record
	body []byte // after the codec; len(body) == record.encoded
}

// window is how much of a body is sealed, or opened, at a time.
const (
	windowChunks = 16
	windowSealed = windowChunks * (chunkBytes + sealOverhead)
)

// placed is a record that has been written. Its holder owns a reference to
// the segment.
type placed struct {
	place
	seq uint64
}

func always() bool { return true }

// append writes a draft and returns its place. allowed is asked once no drop
// can slip in between the answer and the record's sequence number; if it says
// no, nothing is written and the error is [ErrFenced].
//
// A body above one chunk is sealed and written after the lock has been given
// back, so that a drop never waits for a large Put. Its header and metadata
// are written at once: a process killed in between leaves a record with a
// damaged body, and everything behind it can still be found.
func (d *disk) append(dr *draft, allowed func() bool) (placed, error) {
	sc := d.getScratch()
	defer d.putScratch(sc)
	p, meta, err := d.reserve(dr, allowed, sc)
	if err != nil {
		return placed{}, err
	}
	if len(dr.body) > chunkBytes {
		if err := d.writeBody(p.place, dr, meta, sc); err != nil {
			d.abandon(p.seg)
			return placed{}, err
		}
	}
	return p, nil
}

// reserve gives the draft a place and writes its first part there.
func (d *disk) reserve(dr *draft, allowed func() bool, sc *scratch) (placed, []byte, error) {
	h := dr.header()
	n := h.total()
	if n > d.limit/2 {
		return placed{}, nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !allowed() {
		return placed{}, nil, ErrFenced
	}
	seg, err := d.segmentFor(n)
	if err != nil {
		return placed{}, nil, d.failed(err)
	}
	dr.seq = d.seq.Add(1)
	p := place{seg: seg, off: seg.size, header: h}
	first, meta := sealFirst(p, dr, sc)
	if err := d.writeAt(seg, first, p.off); err != nil {
		// The next record overwrites what little was written.
		d.abandonLocked(seg)
		return placed{}, nil, d.failed(err)
	}
	d.resize(seg, seg.size+n)
	seg.refs.Add(1)
	return placed{place: p, seq: dr.seq}, meta, nil
}

// segmentFor returns a segment with room for n bytes, for which it evicts.
func (d *disk) segmentFor(n int64) (*segment, error) {
	// Room for the record, the rounding of its file and a new header.
	for d.bytes+n+2*blockBytes > d.limit {
		if !d.evictOldest(nil) {
			return nil, ErrTooLarge
		}
	}
	solo := n > d.segmentBytes-segmentHeaderBytes
	if solo {
		return d.create(true)
	}
	if d.active != nil && d.active.size+n > d.segmentBytes {
		d.active = nil // full; it stays in the table, to be read
	}
	if d.active == nil {
		s, err := d.create(false)
		if err != nil {
			return nil, err
		}
		d.active = s
	}
	return d.active, nil
}

// create makes a segment file. On a full disk it evicts and tries once more.
func (d *disk) create(solo bool) (*segment, error) {
	h := newSegmentHeader(d.number, solo)
	d.number++
	f, err := d.root.OpenFile(segmentName(h.number), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if isFull(err) && d.evictOldest(nil) {
		f, err = d.root.OpenFile(segmentName(h.number), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, err
	}
	s, err := newSegment(d.key, h, d.wrap(f))
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	d.enlist(s)
	head := h.bytes()
	if err := d.writeAt(s, head[:], 0); err != nil {
		d.evict(s)
		return nil, err
	}
	return s, nil
}

// writeAt writes to a segment; on a full disk it evicts and tries once more.
func (d *disk) writeAt(s *segment, b []byte, off int64) error {
	_, err := s.f.WriteAt(b, off)
	if isFull(err) && d.evictOldest(s) {
		_, err = s.f.WriteAt(b, off)
	}
	return err
}

// writeBody seals and writes a large body, without the lock.
func (d *disk) writeBody(p place, dr *draft, meta []byte, sc *scratch) error {
	aad := p.appendChunkAAD(sc.aad[:0], meta, len(dr.blob))
	off := p.off + headerBytes + int64(p.meta)
	for at := 0; at < len(dr.body); at += windowChunks * chunkBytes {
		sc.sealed = sealChunks(sc.sealed[:0], p.seg, aad, dr.body, at)
		_, err := p.seg.f.WriteAt(sc.sealed, off)
		if isFull(err) {
			d.mu.Lock()
			err = d.writeAt(p.seg, sc.sealed, off)
			d.mu.Unlock()
		}
		if err != nil {
			return d.failed(err)
		}
		off += int64(len(sc.sealed))
	}
	return nil
}

func (d *disk) resize(s *segment, size int64) {
	d.bytes += footprint(size) - footprint(s.size)
	s.size = size
}

// abandon gives back the reference to a segment whose record was not
// finished, and deletes the file if it was made for that record.
func (d *disk) abandon(s *segment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.abandonLocked(s)
	s.release()
}

func (d *disk) abandonLocked(s *segment) {
	if s.solo {
		d.evict(s)
	}
}

func (d *disk) failed(err error) error {
	d.failures.Add(1)
	return fmt.Errorf("diskcache: the record was not written: %w", err)
}

// sealFirst returns what is written under the lock, header, metadata and a
// body of at most one chunk, and the metadata in plaintext.
func sealFirst(p place, dr *draft, sc *scratch) (first, meta []byte) {
	sc.meta = dr.appendTo(sc.meta[:0])
	b := p.header.appendTo(sc.sealed[:0])
	sc.aad = p.appendAAD(sc.aad[:0], labelMeta)
	b = p.seg.aead.Seal(b, nil, sc.meta, sc.aad)
	if len(dr.body) <= chunkBytes {
		aad := p.appendChunkAAD(sc.aad[:0], sc.meta, len(dr.blob))
		b = sealChunks(b, p.seg, aad, dr.body, 0)
		sc.aad = aad
	}
	sc.sealed = b
	return b, sc.meta
}

// sealChunks appends at most one window of sealed chunks of body from at.
func sealChunks(dst []byte, s *segment, aad chunkAAD, body []byte, at int) []byte {
	end := min(at+windowChunks*chunkBytes, len(body))
	for ; at < end; at += chunkBytes {
		next := min(at+chunkBytes, len(body))
		dst = s.aead.Seal(dst, nil, body[at:next], aad.of(uint64(at/chunkBytes), next == len(body)))
	}
	return dst
}
