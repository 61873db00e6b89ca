package diskcache

import "crypto/cipher"

// sealer is what seals a draft's data: the segment's key or, for an entry of a
// group, one that the group's secret is mixed into. The segment is not known
// before the gate is held, so the secret is fetched before and the key derived
// there.
type sealer struct {
	body   cipher.AEAD
	secret []byte // nil: no group
}

// sealer fetches the secret of the draft's group.
func (d *disk) sealer(dr *draft) (sealer, error) {
	if dr.group == (groupID{}) {
		return sealer{}, nil
	}
	secret, ok := d.groups.secret(dr.group)
	if !ok {
		return sealer{}, ErrFenced // shredded between two steps of a Put
	}
	return sealer{secret: secret[:]}, nil
}

func (sl *sealer) derive(d *disk, s *segment, g groupID) {
	if sl.secret == nil {
		sl.body = s.aead
		return
	}
	sl.body = d.groups.aead(d.key, s, g, sl.secret)
}

// header returns the header that the draft will have.
func (dr *draft) header() header {
	h := header{first: uint32(dr.metaBytes() + len(dr.first()) + sealOverhead), rest: dr.rest()}
	if dr.apart != nil {
		h.rest = uint64(dr.apart.size)
	}
	if dr.group != (groupID{}) {
		h.first |= flagGroup
	}
	return h
}

// sealFirst returns what is written under the gate: header, head and first
// message; and the metadata in plaintext.
func sealFirst(p place, dr *draft, aead cipher.AEAD, sc *scratch) (first, meta []byte) {
	b := p.header.appendTo(sc.sealed[:0])
	b = p.sealHead(b, dr, sc)
	b, meta = p.sealMessage(b, dr, aead, sc)
	sc.sealed = b
	return b, meta
}

// sealLast returns the same of a record apart, back to front.
func sealLast(p place, dr *draft, aead cipher.AEAD, sc *scratch) []byte {
	b, _ := p.sealMessage(sc.sealed[:0], dr, aead, sc)
	b = p.sealHead(b, dr, sc)
	sc.sealed = p.header.appendTo(b)
	return sc.sealed
}

func (p place) sealHead(b []byte, dr *draft, sc *scratch) []byte {
	sc.aad = p.appendAAD(sc.aad[:0], labelHead)
	return p.seg.aead.Seal(b, nil, dr.appendHead(nil), sc.aad)
}

func (p place) sealMessage(b []byte, dr *draft, aead cipher.AEAD, sc *scratch) (sealed, meta []byte) {
	sc.meta = dr.appendMeta(sc.meta[:0])
	n := len(sc.meta)
	sc.meta = append(sc.meta, dr.first()...)
	sc.aad = p.appendFirst(sc.aad[:0], labelFirst, dr.hash, dr.seq)
	return aead.Seal(b, nil, sc.meta, sc.aad), sc.meta[:n]
}
