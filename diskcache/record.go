package diskcache

import "encoding/binary"

// A record is
//
//	be32  length of the sealed first message, and a flag in bit 31: of a group
//	be64  length of the sealed chunks behind it
//	sealed head, 65 bytes
//	sealed first message
//	sealed chunks, each as long as its codec made it
//
// The head, sealed under the segment's key, is what a scan needs and what a
// record still shows after its group's secret has been destroyed:
//
//	 0  1  flags: 1 if a record of this key was on disk before
//	 1  8  be64 hash of the key
//	 9  8  be64 sequence number: of two records of a key, the higher one counts
//	17  8  be64 hash of the group   } zero without one
//	25  4  be32 which of its secrets }
//	29  8  be64 time stored, nanoseconds since 1970 UTC
//
// The first message, sealed under the segment's key or, for an entry of a group,
// that of segment and group, is metadata and chunk 0. The metadata are
//
//	 0  1  codec
//	 1  8  be64 time stored
//	 9  8  be64 length of the plaintext
//	17  4  be32 bytes of plaintext in each chunk but the last
//	21  2  be16 length of the key
//	23  2  be16 length of the version
//	25  2  be16 length of the group
//	27  4  be32 length of the blob
//	31     with codec LZ: be32 length after the codec of each chunk but the first
//	       with codec 128: of each chunk, be32 codec << 30 | length after the codec
//	       key, version, group, blob
//
// A large record, whose body may have been written before anything of this was
// known, has another order and a file of its own; see apart.go.
//
// The lengths in front are all that is in the clear: a scan skips bodies by them.
// A wrong one is noticed because they are associated data of everything.
const (
	headerBytes    = 12
	headPlain      = 37
	headSealed     = headPlain + sealOverhead
	metaFixedBytes = 31

	flagGroup  = 1 << 31
	flagBlock  = 1 << 30 // not a record but an index block, see block.go
	lengthMask = flagBlock - 1

	flagReplaces = 1
)

// groupID says under which secret of which group something is sealed.
type groupID struct {
	hash   uint64
	secret uint32
}

// record is the metadata of one record. Its slices are borrowed.
type record struct {
	hash     uint64
	seq      uint64
	group    groupID
	replaces bool

	codec   byte
	stored  int64
	size    uint64 // plaintext bytes
	chunk   uint32 // plaintext bytes of a chunk
	lens    []byte // be32 each: of chunks 1 and up, if codec is LZ; of all, if each has its own
	key     []byte
	version []byte
	name    []byte // of the group
	blob    []byte
}

func (r *record) appendHead(b []byte) []byte {
	flags := byte(0)
	if r.replaces {
		flags = flagReplaces
	}
	b = append(b, flags)
	b = binary.BigEndian.AppendUint64(b, r.hash)
	b = binary.BigEndian.AppendUint64(b, r.seq)
	b = binary.BigEndian.AppendUint64(b, r.group.hash)
	b = binary.BigEndian.AppendUint32(b, r.group.secret)
	return binary.BigEndian.AppendUint64(b, uint64(r.stored))
}

// parseHead reads a head that has been authenticated.
func (r *record) parseHead(b []byte) {
	r.replaces = b[0]&flagReplaces != 0
	r.hash = binary.BigEndian.Uint64(b[1:])
	r.seq = binary.BigEndian.Uint64(b[9:])
	r.group = groupID{binary.BigEndian.Uint64(b[17:]), binary.BigEndian.Uint32(b[25:])}
	r.stored = int64(binary.BigEndian.Uint64(b[29:]))
}

func (r *record) appendMeta(b []byte) []byte {
	b = append(b, r.codec)
	b = binary.BigEndian.AppendUint64(b, uint64(r.stored))
	b = binary.BigEndian.AppendUint64(b, r.size)
	b = binary.BigEndian.AppendUint32(b, r.chunk)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.key)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.version)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.name)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.blob)))
	b = append(b, r.lens...)
	b = append(b, r.key...)
	b = append(b, r.version...)
	b = append(b, r.name...)
	return append(b, r.blob...)
}

func (r *record) metaBytes() int {
	return metaFixedBytes + len(r.lens) + len(r.key) + len(r.version) + len(r.name) + len(r.blob)
}

// parseMeta reads a first message that has been authenticated and returns its
// chunk. It checks lengths all the same: they index slices.
func (r *record) parseMeta(b []byte) (chunk []byte, ok bool) {
	if len(b) < metaFixedBytes {
		return nil, false
	}
	r.codec = b[0]
	r.stored = int64(binary.BigEndian.Uint64(b[1:]))
	r.size = binary.BigEndian.Uint64(b[9:])
	r.chunk = binary.BigEndian.Uint32(b[17:])
	key, version := int(binary.BigEndian.Uint16(b[21:])), int(binary.BigEndian.Uint16(b[23:]))
	name, blob := int(binary.BigEndian.Uint16(b[25:])), int(binary.BigEndian.Uint32(b[27:]))
	if r.codec > codecLZ && r.codec != codecEach || r.chunk == 0 || r.chunk > maxChunk || r.size > 1<<48 {
		return nil, false
	}
	lens := 0
	switch r.codec {
	case codecLZ:
		lens = 4 * (r.chunks() - 1)
	case codecEach:
		lens = 4 * r.chunks()
	}
	rest := b[metaFixedBytes:]
	if len(rest) < lens+key+version+name+blob {
		return nil, false
	}
	r.lens, rest = rest[:lens], rest[lens:]
	r.key, rest = rest[:key], rest[key:]
	r.version, rest = rest[:version], rest[version:]
	r.name, rest = rest[:name], rest[name:]
	r.blob = rest[:blob]
	return rest[blob:], true
}

// chunks is the number of chunks; an empty record has one, which is empty.
func (r *record) chunks() int {
	return int(max(1, (r.size+uint64(r.chunk)-1)/uint64(r.chunk)))
}

// bounds are where chunk n is in the plaintext.
func (r *record) bounds(n int) (from, to uint64) {
	from = uint64(n) * uint64(r.chunk)
	return from, min(from+uint64(r.chunk), r.size)
}

// codecEach says that each chunk has a codec of its own: what comes as a stream can
// be an archive of images and text.
const (
	codecEach  = 128
	codecShift = 30
)

func (r *record) codecOf(n int) byte {
	if r.codec == codecEach {
		return r.lens[4*n] >> 6
	}
	return r.codec
}

// encoded is the length of chunk n after the codec; with codec LZ, of n > 0.
func (r *record) encoded(n int) int {
	switch r.codec {
	case codecLZ:
		return int(binary.BigEndian.Uint32(r.lens[4*(n-1):]))
	case codecEach:
		return int(binary.BigEndian.Uint32(r.lens[4*n:]) & (1<<codecShift - 1))
	}
	from, to := r.bounds(n)
	return int(to - from)
}

// rest is the length of the sealed chunks behind the first message.
func (r *record) rest() uint64 { return r.from(1) }

// from is the length of the sealed chunks n and up.
func (r *record) from(n int) (sum uint64) {
	if r.codec == codecPlain {
		before, _ := r.bounds(n)
		return r.size - min(before, r.size) + uint64(r.chunks()-n)*sealOverhead
	}
	for ; n < r.chunks(); n++ {
		sum += uint64(r.encoded(n)) + sealOverhead
	}
	return sum
}

// header is the part of a record that is in the clear.
type header struct {
	first uint32 // with flags
	rest  uint64
}

func (h header) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, h.first)
	return binary.BigEndian.AppendUint64(b, h.rest)
}

// maxFirst bounds a first message: the metadata of a record of a tebibyte in
// plain, or a chunk that LZ could not shrink.
const maxFirst = sealOverhead + metaFixedBytes + maxKey + maxVersion + maxGroup + maxBlob + 4<<20 + maxChunk*5/4

// parseHeader refuses lengths that no writer produces, so that noise is
// recognised before memory is allocated for it.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerBytes {
		return header{}, false
	}
	h = header{first: binary.BigEndian.Uint32(b), rest: binary.BigEndian.Uint64(b[4:])}
	if h.block() {
		return h, h.len() >= sealOverhead && h.len() <= blockEntries*entryBytes+sealOverhead && h.first&flagGroup == 0
	}
	return h, h.len() >= sealOverhead+metaFixedBytes && h.len() <= maxFirst && h.rest < 1<<48
}

func (h header) block() bool   { return h.first&flagBlock != 0 }
func (h header) grouped() bool { return h.first&flagGroup != 0 }

// len is the length of the first message, or of an index block.
func (h header) len() int { return int(h.first & lengthMask) }

// total is the length of the whole record, or block.
func (h header) total() int64 {
	if h.block() {
		return headerBytes + int64(h.len())
	}
	return headerBytes + headSealed + int64(h.len()) + int64(h.rest)
}
