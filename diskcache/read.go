package diskcache

import (
	"bytes"
	"crypto/cipher"
	"errors"
)

// readAhead is how much of a record the first read gets, which is nearly always
// all of it.
const readAhead = 256 << 10

// read returns the record at sl. The record's slices are borrowed from sc; the
// view is the caller's. A record that is not exactly what was written there, under
// key and with the slot's sequence number, is an error.
func (d *disk) read(sl slot, key string, sc *scratch) (record, View, error) {
	if err := d.breaker.enter(); err != nil {
		return record{}, View{}, err
	}
	r, v, err := d.readChecked(sl, key, sc)
	d.breaker.exit(reading, deviceError(err))
	return r, v, err
}

func (d *disk) readChecked(sl slot, key string, sc *scratch) (record, View, error) {
	o, err := d.open(sl, sc)
	if err != nil {
		return record{}, View{}, err
	}
	defer o.seg.release()
	if string(o.key) != key {
		return record{}, View{}, errOtherKey
	}
	v, err := o.body(sc)
	return o.record, v, err
}

// opened is a record whose first message has been opened.
type opened struct {
	place
	record
	aead  cipher.AEAD
	meta  []byte
	chunk []byte // the first, after the codec; of a record apart, its secret
	raw   []byte // what has been read of the record, from its beginning
	head  []byte // sealed
	first []byte // sealed
	apart bool
}

// open reads and opens the first message of the record at sl. The caller releases
// the segment.
func (d *disk) open(sl slot, sc *scratch) (*opened, error) {
	seg := d.table.acquire(sl.file)
	if seg == nil {
		return nil, errGone
	}
	o := &sc.opened
	if err := o.openFirst(d, seg, sl, sc); err != nil {
		seg.release()
		return nil, err
	}
	return o, nil
}

func (o *opened) openFirst(d *disk, seg *segment, sl slot, sc *scratch) error {
	o.place = place{seg: seg, off: int64(sl.off)}
	o.hash, o.seq, o.group, o.replaces = sl.hash, sl.seq(), groupID{}, false // the rest is set below
	o.apart = seg.solo
	if err := o.readFirst(int(min(sl.size, readAhead)), sc); err != nil {
		return err
	}
	if o.total() != int64(sl.size) && sl.size != 1<<32-1 {
		return errDamaged
	}
	if err := d.aeadFor(o, sc); err != nil {
		return err
	}
	sc.aad = o.appendFirst(sc.aad[:0], labelFirst, o.hash, o.seq)
	plain, err := o.aead.Open(sc.meta[:0], nil, o.first, sc.aad)
	if err != nil {
		return errDamaged
	}
	sc.meta = plain
	chunk, ok := o.parseMeta(plain)
	if !ok || o.from(o.firstBehind()) != o.header.rest {
		return errDamaged
	}
	o.chunk, o.meta = chunk, plain[:len(plain)-len(chunk)]
	if o.apart {
		return o.unlock(d)
	}
	return nil
}

// firstBehind is the first chunk that is not in the first message.
func (o *opened) firstBehind() int {
	if o.apart {
		return 0
	}
	return 1
}

// readFirst reads n bytes of the record, or more if its first message is longer.
func (o *opened) readFirst(n int, sc *scratch) error {
	if o.apart {
		return o.readLast(sc)
	}
	if n < headerBytes+headSealed {
		return errDamaged
	}
	sc.sealed = grow(sc.sealed, n)
	if err := o.seg.readAt(sc.sealed, o.off); err != nil {
		return err
	}
	h, ok := parseHeader(sc.sealed)
	if !ok || h.block() {
		return errDamaged
	}
	if need := headerBytes + headSealed + h.len(); need > n {
		sc.sealed = grow(sc.sealed, need)
		if err := o.seg.readAt(sc.sealed, o.off); err != nil {
			return err
		}
	}
	o.header, o.raw = h, sc.sealed
	o.head, o.first = o.raw[headerBytes:][:headSealed], o.raw[headerBytes+headSealed:][:h.len()]
	return nil
}

// aeadFor finds the key of the record's data. Which group it belongs to says its
// head; records of no group need not have theirs opened.
func (d *disk) aeadFor(o *opened, sc *scratch) error {
	if !o.grouped() {
		o.aead = o.seg.aead
		return nil
	}
	r, err := o.place.openHead(o.head, sc)
	if err != nil {
		return err
	}
	o.group = r.group
	secret, ok := d.groups.secret(r.group)
	if !ok {
		return errShredded
	}
	o.aead = d.groups.aead(d.key, o.seg, r.group, secret[:])
	return nil
}

// openHead opens the head at the beginning of b.
func (p place) openHead(b []byte, sc *scratch) (r record, err error) {
	sc.aad = p.appendAAD(sc.aad[:0], labelHead)
	var plain [headPlain]byte
	got, err := p.seg.aead.Open(plain[:0], nil, b[:headSealed], sc.aad)
	if err != nil || len(got) != headPlain {
		return record{}, errDamaged
	}
	r.parseHead(got)
	return r, nil
}

// readMeta returns key and metadata of the record at sl, without its body.
func (d *disk) readMeta(sl slot) (key string, m Meta, stored int64, err error) {
	if err := d.breaker.enter(); err != nil {
		return "", Meta{}, 0, err
	}
	defer func() { d.breaker.exit(reading, deviceError(err)) }()
	sc := d.getScratch()
	defer d.putScratch(sc)
	o, err := d.open(sl, sc)
	if err != nil {
		return "", Meta{}, 0, err
	}
	defer o.seg.release()
	m = Meta{Version: string(o.version), Group: string(o.name), Blob: bytes.Clone(o.blob)}
	return string(o.key), m, o.stored, nil
}

// deviceError returns what err says about the disk: nil if it did as it was told.
func deviceError(err error) error {
	if err == nil {
		return nil
	}
	for _, ours := range []error{ErrFenced, ErrTooLarge, ErrClosed, errGone} {
		if errors.Is(err, ours) {
			return errUntouched
		}
	}
	for _, read := range []error{errDamaged, errOtherKey, errShredded} {
		if errors.Is(err, read) {
			return nil
		}
	}
	return err
}
