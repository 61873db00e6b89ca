package diskcache

import (
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"
)

// Codecs, as written into metadata. LZ is compress.go's and not zstd: the cache is
// read far more often than it is written, and where zstd decodes one gigabyte in a
// second this one does fifteen. 64 KiB of FHIR JSON shrink to a ninth, so that reading
// and decrypting, at 6 GB/s, cost next to nothing.
const (
	codecPlain = 0
	codecLZ    = 1
)

// Bytes of plaintext in a chunk. What compresses is cut coarsely, because repetitions
// are found further back: as one chunk a megabyte of FHIR JSON has two thirds of the tokens
// that it has as sixteen. What does not is cut so that a sealed and an
// opened chunk fit into a core's cache together.
const (
	chunkPlain = 128 << 10
	chunkLZ    = 1 << 20
	maxChunk   = chunkLZ
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
	for at := 0; at < len(src); at += chunkLZ {
		from := len(out)
		part := src[at:min(at+chunkLZ, len(src))]
		out = slices.Grow(out, maxCompressed(len(part)))
		out = compress(out, part)
		if at > 0 {
			lens = binary.BigEndian.AppendUint32(lens, uint32(len(out)-from))
		}
	}
	sc.encoded, sc.lens = out, lens
	if len(out) > len(src)-len(src)/minGain {
		return src
	}
	r.codec, r.chunk, r.lens = codecLZ, chunkLZ, lens
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
		sc.encoded = compress(sc.encoded[:0], part)
		saved += sample - len(sc.encoded)
	}
	return saved > 8*sample/minGain
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
