package diskcache

import "encoding/binary"

// A record is
//
//	be32 length of the sealed metadata
//	be64 length of the sealed body
//	sealed metadata
//	sealed body
//
// and its metadata, before sealing, is
//
//	 0   1  kind
//	 1   1  codec
//	 2   8  be64 sequence number, growing over all files of a folder
//	10   8  be64 time stored, nanoseconds since 1970 UTC
//	18   8  be64 length of the plaintext
//	26   8  be64 length of the body before sealing
//	34   2  be16 length of the key
//	36   2  be16 length of the version
//	38   4  be32 length of the blob
//	42      key, version, blob
//
// The lengths are all that is in the clear: a scan skips bodies by them. A
// wrong one is noticed because both are associated data of the metadata.
const (
	headerBytes    = 12
	metaFixedBytes = 42

	minSealedMeta = metaFixedBytes + sealOverhead
	maxSealedMeta = minSealedMeta + maxKey + maxVersion + maxBlob
)

// Kinds of records. A drop exists because an append is cheaper than
// overwriting the record it refers to, and keeps dropped entries dropped when
// the process dies before the segment is evicted.
const (
	kindEntry   = 1 // data under a key
	kindDrop    = 2 // every record of the key with a lower sequence number is void
	kindDropAll = 3 // every record with a lower sequence number is void
)

// record is the metadata of one record. Its slices are borrowed.
type record struct {
	kind, codec byte
	seq         uint64
	stored      int64
	size        uint64 // plaintext bytes
	encoded     uint64 // bytes after the codec, before sealing
	key         []byte
	version     []byte
	blob        []byte
}

func (r *record) appendTo(b []byte) []byte {
	b = append(b, r.kind, r.codec)
	b = binary.BigEndian.AppendUint64(b, r.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(r.stored))
	b = binary.BigEndian.AppendUint64(b, r.size)
	b = binary.BigEndian.AppendUint64(b, r.encoded)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.key)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.version)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.blob)))
	b = append(b, r.key...)
	b = append(b, r.version...)
	return append(b, r.blob...)
}

func (r *record) metaBytes() int {
	return metaFixedBytes + len(r.key) + len(r.version) + len(r.blob)
}

func (r *record) header() header {
	return header{
		meta: uint32(r.metaBytes() + sealOverhead),
		body: sealedBytes(r.encoded),
	}
}

// parseRecord reads metadata that has been authenticated. It checks lengths
// all the same: they index slices.
func parseRecord(b []byte) (r record, ok bool) {
	if len(b) < metaFixedBytes {
		return record{}, false
	}
	r.kind, r.codec = b[0], b[1]
	r.seq = binary.BigEndian.Uint64(b[2:])
	r.stored = int64(binary.BigEndian.Uint64(b[10:]))
	r.size = binary.BigEndian.Uint64(b[18:])
	r.encoded = binary.BigEndian.Uint64(b[26:])
	keyLen := int(binary.BigEndian.Uint16(b[34:]))
	versionLen := int(binary.BigEndian.Uint16(b[36:]))
	blobLen := int(binary.BigEndian.Uint32(b[38:]))
	rest := b[metaFixedBytes:]
	if len(rest) != keyLen+versionLen+blobLen {
		return record{}, false
	}
	r.key, rest = rest[:keyLen], rest[keyLen:]
	r.version, r.blob = rest[:versionLen], rest[versionLen:]
	return r, true
}

// header is the part of a record that is in the clear.
type header struct {
	meta uint32
	body uint64
}

func (h header) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, h.meta)
	return binary.BigEndian.AppendUint64(b, h.body)
}

// parseHeader refuses lengths that no writer produces, so that noise is
// recognised before memory is allocated for it.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerBytes {
		return header{}, false
	}
	h = header{meta: binary.BigEndian.Uint32(b), body: binary.BigEndian.Uint64(b[4:])}
	return h, h.meta >= minSealedMeta && h.meta <= maxSealedMeta && h.body < 1<<62
}

// total is the length of the whole record.
func (h header) total() int64 { return headerBytes + int64(h.meta) + int64(h.body) }
