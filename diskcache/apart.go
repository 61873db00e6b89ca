package diskcache

import "encoding/binary"

// A record above half a segment has a file of its own, which is written from the
// front while the record is made known at its end:
//
//	the file's header, see header.go
//	sealed chunks, from chunk 0
//	sealed first message: metadata, and instead of chunk 0 the 32 bytes of a secret
//	sealed head
//	the 12 bytes of the record's header
//	an index block of one entry, and a trailer
//
// All but the chunks is as in record.go, with 96, where the chunks begin, for the
// record's offset. The chunks are sealed under
//
//	HKDF-SHA-256(secret: cache key || secret, salt: file id, info: "apart")
//
// so while a stream comes in, nothing need be known of it: neither its length nor
// its version, which a server tells after an upload, nor its group. The secret is
// random and is nowhere but in memory and in the first message, which binds it, and
// so every chunk, to key, version, length and the lengths of all chunks, and which is
// sealed under the group's key: a shredded group takes the secret along. A file whose
// end is missing, because the process was killed, is noise to everybody and is
// deleted at the next start.
const (
	secretBytes = 32

	// lastRead is how much is read at first from the end of a record: enough
	// where there are no more than 4,000 chunks and no large blob.
	lastRead = 16 << 10
)

func appendApart(b []byte) chunkAAD { return append(append(b, labelApart), make([]byte, 9)...) }

// readLast reads what is behind the chunks.
func (o *opened) readLast(sc *scratch) error {
	length := o.seg.end.Load() - o.off
	n := min(length, lastRead)
	if n < headerBytes+headSealed {
		return errDamaged
	}
	for range 2 {
		sc.sealed = grow(sc.sealed, int(n))
		if err := o.seg.readAt(sc.sealed, o.off+length-n); err != nil {
			return err
		}
		h, ok := parseHeader(sc.sealed[n-headerBytes:])
		if !ok || h.block() || h.total() != length {
			return errDamaged
		}
		need := length - int64(h.rest)
		if need <= n {
			b := sc.sealed[n-need:]
			o.header, o.raw = h, nil
			o.first, o.head = b[:h.len()], b[h.len():][:headSealed]
			return nil
		}
		n = need
	}
	return errDamaged
}

// unlock derives the key of the chunks from the secret in the first message.
func (o *opened) unlock(d *disk) error {
	if len(o.chunk) != secretBytes {
		return errDamaged
	}
	o.aead = d.key.aead("apart", o.seg.id[:], o.chunk...)
	return nil
}

// appendLen appends as the metadata have it the length of a chunk with a codec of its own.
func appendLen(lens []byte, codec byte, n int) []byte {
	return binary.BigEndian.AppendUint32(lens, uint32(codec)<<codecShift|uint32(n))
}
