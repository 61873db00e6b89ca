package diskcache

import (
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"github.com/klauspost/compress/s2"
)

// Codecs, as written into metadata. S2 and not zstd: the cache is read far more
// often than it is written, and S2 is decoded at 5 to 7 GB/s where zstd reaches
// one. 64 KiB of FHIR JSON shrink to a tenth, so that reading and decrypting, at
// 6 GB/s, cost next to nothing.
const (
	codecPlain = 0
	codecS2    = 1 // one S2 block for each chunk (github.com/klauspost/compress/s2, a Snappy superset)
)

// Bytes of plaintext in a chunk. What compresses is cut coarsely: a megabyte of
// FHIR JSON is decoded in 140 us as one block, in 200 us as sixteen, because
// repetitions are found further back. What does not is cut so that a sealed and an
// opened chunk fit into a core's cache together.
const (
	chunkPlain = 128 << 10
	chunkS2    = 1 << 20
	maxChunk   = chunkS2
)

// minGain is the saving below which compression is not worth the decoding: one
// part in 16.
const minGain = 16

// encode sets codec, chunk and lens of r and returns its body, all chunks one
// behind the other. The body shares src or sc; what does not compress is stored
// plain, so that a hit on an image is a read and an AES-GCM open and nothing else.
func encode(r *record, src []byte, sc *scratch) (body []byte) {
	r.size, r.codec, r.chunk, r.lens = uint64(len(src)), codecPlain, chunkPlain, nil
	if len(src) < 64 || !compresses(src, sc) {
		return src
	}
	out, lens := sc.encoded[:0], sc.lens[:0]
	for at := 0; at < len(src); at += chunkS2 {
		from := len(out)
		part := src[at:min(at+chunkS2, len(src))]
		out = slices.Grow(out, s2.MaxEncodedLen(len(part))) // also encodeLong's
		out = encodeLong(out, part)
		if at > 0 {
			lens = binary.BigEndian.AppendUint32(lens, uint32(len(out)-from))
		}
	}
	sc.encoded, sc.lens = out, lens
	if len(out) > len(src)-len(src)/minGain {
		return src
	}
	r.codec, r.chunk, r.lens = codecS2, chunkS2, lens
	return out
}

// compresses tries a sample of what is large, so that a gigabyte of images is not
// encoded in vain.
func compresses(src []byte, sc *scratch) bool {
	const sample = 64 << 10
	if len(src) < 16*sample {
		return true
	}
	saved := 0
	for i := range 8 {
		part := src[(len(src)-sample)/7*i:][:sample]
		sc.encoded = grow(sc.encoded[:0], s2.MaxEncodedLen(sample))
		saved += sample - len(s2.Encode(sc.encoded, part))
	}
	return saved > 8*sample/minGain
}

// decodeS2 fills out, whose length is the one that the metadata promises.
func decodeS2(out, body []byte) error {
	if n, err := s2.DecodedLen(body); err != nil || n != len(out) {
		return errDamaged
	}
	if got, err := s2.Decode(out, body); err != nil || len(got) != len(out) {
		return errDamaged
	}
	return nil
}

// unzeroed allocates n bytes whose content is undefined. Clearing a megabyte takes
// 30 us, a fifth of a hit, only to be overwritten. A strings.Builder promises that
// after Grow(n) it takes n bytes without another allocation, and that String does
// not copy; so the array behind a string of one byte has n. Whoever gets it fills
// all of it or drops it.
func unzeroed(n int) []byte {
	if n < 1<<10 {
		return make([]byte, n)
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), n)
}
