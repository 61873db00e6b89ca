package diskcache

import "encoding/binary"

// After every 1024 records, and when a segment is sealed, an index block says
// where they are, so that neither a restart nor a reclaim has to read the records
// themselves. It is
//
//	be32  length of what follows the header, and bit 30
//	be64  offset of the block before, 0 if there is none
//	sealed, for each record: be64 hash || be64 sequence number << 1 | replaces ||
//	be32 offset || be32 length (2^32 - 1 if longer)
//
// and a sealed segment ends in a trailer of 56 bytes:
//
//	be32  44, with bits 30 and 31
//	be64  offset of the last block
//	sealed: be64 number of records || be64 highest sequence number
//
// Together they are the checkpoint of the index: written once, by appending, never
// stale, and lost piecemeal. Damage to a block costs a scan of that segment only.
const (
	blockEntries = 1024
	entryBytes   = 24
	trailerPlain = 16
	trailerBytes = headerBytes + trailerPlain + sealOverhead
	trailerMark  = flagBlock | flagGroup | (trailerPlain + sealOverhead)
)

// entry is a record as an index block knows it.
type entry struct {
	hash, seq uint64
	replaces  bool
	off, size uint32
}

func (e entry) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, e.hash)
	order := e.seq << 1
	if e.replaces {
		order++
	}
	b = binary.BigEndian.AppendUint64(b, order)
	b = binary.BigEndian.AppendUint32(b, e.off)
	return binary.BigEndian.AppendUint32(b, e.size)
}

func parseEntry(b []byte) entry {
	order := binary.BigEndian.Uint64(b[8:])
	return entry{
		hash: binary.BigEndian.Uint64(b), seq: order >> 1, replaces: order&1 == 1,
		off: binary.BigEndian.Uint32(b[16:]), size: binary.BigEndian.Uint32(b[20:]),
	}
}

// appendBlock appends the block of some records, which will be at s.size.
func (s *segment) appendBlock(b []byte, entries []entry) []byte {
	h := header{first: flagBlock | uint32(len(entries)*entryBytes+sealOverhead), rest: uint64(s.last)}
	plain := make([]byte, 0, len(entries)*entryBytes)
	for _, e := range entries {
		plain = e.appendTo(plain)
	}
	b = h.appendTo(b)
	return s.aead.Seal(b, nil, plain, place{s, s.size, h}.appendAAD(nil, labelBlock))
}

// appendTrailer appends the trailer, which will be at s.size.
func (s *segment) appendTrailer(b []byte) []byte {
	h := header{first: trailerMark, rest: uint64(s.last)}
	plain := binary.BigEndian.AppendUint64(nil, uint64(s.records))
	plain = binary.BigEndian.AppendUint64(plain, s.highest)
	b = h.appendTo(b)
	return s.aead.Seal(b, nil, plain, place{s, s.size, h}.appendAAD(nil, labelTrailer))
}

// readTrailer takes from a file of length bytes what its trailer says.
func (s *segment) readTrailer(length int64) error {
	off := length - trailerBytes
	if off < fileHeader {
		return errDamaged
	}
	b := make([]byte, trailerBytes)
	if err := s.readAt(b, off); err != nil {
		return err
	}
	h := header{first: binary.BigEndian.Uint32(b), rest: binary.BigEndian.Uint64(b[4:])}
	plain, err := s.aead.Open(nil, nil, b[headerBytes:], place{s, off, h}.appendAAD(nil, labelTrailer))
	if err != nil || h.first != trailerMark || len(plain) != trailerPlain {
		return errDamaged
	}
	s.last = int64(h.rest)
	s.records = int(binary.BigEndian.Uint64(plain))
	s.highest = binary.BigEndian.Uint64(plain[8:])
	s.size = off
	return nil
}

// blockWalk reads the blocks of a segment, the last one first, one at a time:
// memory for 1024 entries is all that it takes.
type blockWalk struct {
	seg  *segment
	next int64
	buf  []byte
}

// block returns the entries of the next block, none after the first.
func (w *blockWalk) block() ([]byte, error) {
	if w.next == 0 {
		return nil, nil
	}
	w.buf = grow(w.buf, headerBytes)
	if err := w.seg.readAt(w.buf, w.next); err != nil {
		return nil, err
	}
	h, ok := parseHeader(w.buf)
	if !ok || !h.block() || int64(h.rest) >= w.next {
		return nil, errDamaged
	}
	w.buf = grow(w.buf, h.len())
	if err := w.seg.readAt(w.buf, w.next+headerBytes); err != nil {
		return nil, err
	}
	plain, err := w.seg.aead.Open(nil, nil, w.buf, place{w.seg, w.next, h}.appendAAD(nil, labelBlock))
	if err != nil || len(plain)%entryBytes != 0 {
		return nil, errDamaged
	}
	w.next = int64(h.rest)
	return plain, nil
}

// entriesOf calls f for every record of a sealed segment.
func entriesOf(s *segment, last int64, f func(entry)) (n int, err error) {
	w := blockWalk{seg: s, next: last}
	for {
		b, err := w.block()
		if err != nil || len(b) == 0 {
			return n, err
		}
		for ; len(b) > 0; b = b[entryBytes:] {
			f(parseEntry(b))
			n++
		}
	}
}
