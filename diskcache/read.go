package diskcache

import "bytes"

// slot is where the current record of a hash is, without a pointer.
type slot struct {
	seq     uint64 // its record's; a record with another one is not the one meant
	epoch   uint64 // suspect if older than the clock's
	version uint64 // hash of key and version
	file    uint64
	body    uint64
	off     uint32
	meta    uint32
}

func (p placed) slot(epoch, version uint64) slot {
	return slot{
		seq: p.seq, epoch: epoch, version: version,
		file: p.seg.number, off: uint32(p.off), meta: p.meta, body: p.body,
	}
}

func (s slot) header() header { return header{meta: s.meta, body: s.body} }

// read returns the record at s. The record's slices are borrowed from sc; the
// view is the caller's. A record that is not exactly what was written there,
// under key and with the slot's sequence number, is an error.
func (d *disk) read(s slot, key string, sc *scratch) (record, View, error) {
	seg := d.table.acquire(s.file)
	if seg == nil {
		return record{}, View{}, errGone
	}
	defer seg.release()
	p := place{seg: seg, off: int64(s.off), header: s.header()}
	r, meta, rest, err := readFirst(p, sc)
	if err != nil {
		return record{}, View{}, err
	}
	if r.seq != s.seq || r.kind != kindEntry {
		return record{}, View{}, errDamaged
	}
	if string(r.key) != key {
		return record{}, View{}, errOtherKey
	}
	v, err := readBody(p, &r, meta, rest, sc)
	return r, v, err
}

// readFirst reads the header, the metadata and the first window of the body
// (nearly always all of it) at once, and opens the metadata.
func readFirst(p place, sc *scratch) (r record, meta, rest []byte, err error) {
	lead := headerBytes + int(p.meta)
	sc.sealed = grow(sc.sealed, lead+int(min(p.body, windowSealed)))
	if err := p.seg.readAt(sc.sealed, p.off); err != nil {
		return record{}, nil, nil, err
	}
	if h, ok := parseHeader(sc.sealed); !ok || h != p.header {
		return record{}, nil, nil, errDamaged
	}
	r, meta, err = p.seg.openMeta(p, sc.sealed[headerBytes:lead], sc.aad, sc.meta)
	if err != nil {
		return record{}, nil, nil, err
	}
	sc.meta = meta
	return r, meta, sc.sealed[lead:], nil
}

// readBody opens the chunks and decodes them. first holds the first window.
func readBody(p place, r *record, meta, first []byte, sc *scratch) (View, error) {
	out := make([]byte, r.size)
	opened := out
	if r.codec == codecS2 {
		sc.encoded = grow(sc.encoded, int(r.encoded))
		opened = sc.encoded
	}
	if uint64(len(opened)) != r.encoded || r.codec > codecS2 {
		return View{}, errDamaged
	}
	aad := p.appendChunkAAD(sc.aad[:0], meta, len(r.blob))
	sc.aad = aad[:0]
	if err := openWindows(p, aad, opened, first, sc); err != nil {
		return View{}, err
	}
	if r.codec == codecS2 {
		if err := decodeS2(out, opened); err != nil {
			return View{}, err
		}
	}
	return NewView(out), nil
}

// openWindows fills opened, window by window.
func openWindows(p place, aad chunkAAD, opened, first []byte, sc *scratch) error {
	off := p.off + headerBytes + int64(p.meta)
	window := first
	for at := 0; at < len(opened); at += windowChunks * chunkBytes {
		if at > 0 {
			end := min(at+windowChunks*chunkBytes, len(opened))
			sc.sealed = grow(sc.sealed, int(sealedBytes(uint64(end-at))))
			if err := p.seg.readAt(sc.sealed, off); err != nil {
				return err
			}
			window = sc.sealed
		}
		if err := openChunks(p.seg, aad, opened, window, at); err != nil {
			return err
		}
		off += int64(len(window))
	}
	return nil
}

// openChunks opens the chunks of one window into opened, from at.
func openChunks(s *segment, aad chunkAAD, opened, window []byte, at int) error {
	for len(window) > 0 {
		end := min(at+chunkBytes, len(opened))
		n := end - at + sealOverhead
		got, err := s.aead.Open(opened[at:at:end], nil, window[:n], aad.of(uint64(at/chunkBytes), end == len(opened)))
		if err != nil || len(got) != end-at {
			return errDamaged
		}
		window, at = window[n:], end
	}
	return nil
}

// readMeta returns key and metadata of the record at s, without the body.
func (d *disk) readMeta(s slot) (key string, m Meta, stored int64, err error) {
	seg := d.table.acquire(s.file)
	if seg == nil {
		return "", Meta{}, 0, errGone
	}
	defer seg.release()
	p := place{seg: seg, off: int64(s.off), header: s.header()}
	sealed := make([]byte, s.meta)
	if err := seg.readAt(sealed, p.off+headerBytes); err != nil {
		return "", Meta{}, 0, err
	}
	r, _, err := seg.openMeta(p, sealed, nil, nil)
	if err != nil || r.seq != s.seq {
		return "", Meta{}, 0, errDamaged
	}
	return string(r.key), Meta{Version: string(r.version), Blob: bytes.Clone(r.blob)}, r.stored, nil
}
