package diskcache

import (
	"crypto/cipher"
	"crypto/rand"
	"fmt"
)

// spool is the body of a record that is being written to a file of its own (see
// apart.go). It belongs to one goroutine. The file is the disk's: DropAll, Shred and
// Close delete it without asking, and the next step finds it gone.
type spool struct {
	file   uint32
	queue  int
	secret [secretBytes]byte
	aead   cipher.AEAD
	aad    chunkAAD
	lens   []byte
	size   int64 // sealed
	sealed []byte
}

// maxLens bounds the metadata: 2^20 chunks, 256 GiB of a stream.
const maxLens = 4 << 20

// spool begins one, of a record of about size bytes, if that is known, or 0.
func (d *disk) spool(q int, size int64) (*spool, error) {
	if !d.gate.tryLock() {
		return nil, errStalled
	}
	defer d.gate.unlock()
	if d.closed {
		return nil, ErrClosed
	}
	if err := d.mayTake(size); err != nil {
		_ = d.makeRoom(0) // for others
		return nil, d.failed(err)
	}
	if err := d.makeRoom(fileHeader); err != nil {
		return nil, d.failed(err)
	}
	s, err := d.create(q, true)
	if err != nil {
		return nil, d.failed(err)
	}
	s.writing.Store(true)
	sp := &spool{file: s.number, queue: q, aad: appendApart(nil)}
	rand.Read(sp.secret[:])
	sp.aead = d.key.aead("apart", s.id[:], sp.secret[:]...)
	return sp, nil
}

// spill seals and writes one chunk more. Only taking the space needs the gate.
func (d *disk) spill(sp *spool, codec byte, chunk []byte, last bool) error {
	if len(sp.lens) >= maxLens {
		return fmt.Errorf("%w: over %d chunks", ErrTooLarge, maxLens/4)
	}
	sp.sealed = sp.aead.Seal(sp.sealed[:0], nil, chunk, sp.aad.of(len(sp.lens)/4, last))
	s, err := d.claimFor(sp, int64(len(sp.sealed)))
	if err != nil {
		return err
	}
	defer s.release()
	if err := d.writeBody(s, sp.sealed, fileHeader+sp.size); err != nil {
		return d.failed(err)
	}
	sp.size += int64(len(sp.sealed))
	sp.lens = appendLen(sp.lens, codec, len(chunk))
	return nil
}

// claimFor takes n bytes more for the spool, for which it evicts, and returns its
// segment with a reference.
func (d *disk) claimFor(sp *spool, n int64) (*segment, error) {
	if !d.gate.tryLock() {
		return nil, errStalled
	}
	defer d.gate.unlock()
	s, err := d.spooled(sp)
	if err != nil {
		return nil, err
	}
	if err := d.roomFor(sp, n); err != nil {
		s.release()
		return nil, err
	}
	s.size += n
	d.account(s)
	return s, nil
}

// roomFor evicts for n bytes more of the spool.
func (d *disk) roomFor(sp *spool, n int64) error {
	if err := d.mayTake(sp.size + n); err != nil {
		return d.failed(err)
	}
	if err := d.makeRoom(n); err != nil {
		return d.failed(err)
	}
	return nil
}

// spooled returns the spool's segment, if it is still there. It needs the gate.
func (d *disk) spooled(sp *spool) (*segment, error) {
	if d.closed {
		return nil, ErrClosed
	}
	if s := d.table.acquire(sp.file); s != nil {
		return s, nil
	}
	return nil, ErrFenced // everything has been dropped, or shredded
}

// publish makes a record of the spool. As in [disk.append], allowed is asked once no
// drop can slip in between the answer and the sequence number.
func (d *disk) publish(dr *draft, allowed func() bool) (placed, error) {
	sc := d.getScratch()
	defer d.putScratch(sc)
	sealer, err := d.sealer(dr)
	if err != nil {
		return placed{}, err
	}
	if !d.gate.tryLock() {
		return placed{}, errStalled
	}
	defer d.gate.unlock()
	s, err := d.spooled(dr.apart)
	if err != nil {
		return placed{}, err
	}
	p, err := d.complete(s, dr, allowed, &sealer, sc)
	if err != nil {
		s.release()
	}
	return p, err
}

// complete writes what makes the file a record.
func (d *disk) complete(s *segment, dr *draft, allowed func() bool, sealer *sealer, sc *scratch) (placed, error) {
	h := dr.header()
	if err := d.makeRoom(h.total() - dr.apart.size); err != nil {
		return placed{}, d.failed(err)
	}
	if !allowed() {
		return placed{}, ErrFenced
	}
	if dr.seq == 0 { // else a copy, of something that is no newer than it was
		dr.seq = d.seq.Add(1)
	}
	p := place{seg: s, off: fileHeader, header: h}
	sealer.derive(d, s, dr.group)
	if err := d.writeAt(s, sealLast(p, dr, sealer.body, sc), p.off+dr.apart.size); err != nil {
		d.strays.add(dr.hash)
		return placed{}, d.failed(err)
	}
	s.size = fileHeader // note adds the record
	if err := d.note(s, p, dr); err != nil {
		d.strays.add(dr.hash)
		return placed{}, d.failed(err)
	}
	s.end.Store(fileHeader + h.total())
	s.writing.Store(false)
	return placed{place: p, seq: dr.seq, replaces: dr.replaces}, nil
}

// discard deletes the file of a spool that is of no use any more. On a stalled disk
// it stays, and is reclaimed in its turn.
func (d *disk) discard(sp *spool) {
	s := d.table.acquire(sp.file)
	if s == nil {
		return
	}
	defer s.release()
	s.writing.Store(false)
	if d.gate.tryLock() {
		defer d.gate.unlock()
		d.delete(s)
	}
}

// appendApart writes a draft that is too large for a segment.
func (d *disk) appendApart(dr *draft, allowed func() bool) (placed, error) {
	if !allowed() {
		return placed{}, ErrFenced // asked again when all is written; here it saves the work
	}
	sp, err := d.spool(dr.queue, dr.header().total())
	if err != nil {
		return placed{}, err
	}
	p, err := d.fillSpool(sp, dr, allowed)
	if err != nil {
		d.discard(sp)
	}
	return p, err
}

func (d *disk) fillSpool(sp *spool, dr *draft, allowed func() bool) (placed, error) {
	chunk, behind := dr.first(), dr.body[len(dr.first()):]
	for n := range dr.chunks() {
		if n > 0 {
			var err error
			if chunk, err = dr.part(n, &behind); err != nil {
				return placed{}, err
			}
		}
		if err := d.spill(sp, dr.codecOf(n), chunk, n == dr.chunks()-1); err != nil {
			return placed{}, err
		}
	}
	dr.takeFrom(sp)
	return d.publish(dr, allowed)
}

// takeFrom makes the spool the draft's body.
func (dr *draft) takeFrom(sp *spool) {
	dr.codec, dr.lens = codecEach, sp.lens
	dr.apart, dr.body, dr.from = sp, sp.secret[:], nil
}
