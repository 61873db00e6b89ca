package diskcache

import "github.com/klauspost/compress/s2"

// Codecs, as written into metadata. S2 and not zstd: the cache is read far
// more often than it is written. 64 KiB of FHIR JSON shrink to a ninth and are
// decoded at 12 GB/s; opening and decoding them takes half as long as AES-GCM
// alone would take for the uncompressed bytes, and less of the disk.
const (
	codecPlain = 0
	codecS2    = 1 // one S2 block (github.com/klauspost/compress/s2, a Snappy superset)
)

// minGain is the saving below which compression is not worth the decoding:
// one part in 16.
const minGain = 16

// encode returns the body of a record and its codec. The result shares src or
// scratch, whichever is smaller; what does not compress is stored plain, so a
// hit on an image is a read and an AES-GCM open and nothing else.
func encode(scratch, src []byte) (body []byte, codec byte) {
	need := s2.MaxEncodedLen(len(src))
	if len(src) < 64 || need < 0 || cap(scratch) < need {
		return src, codecPlain
	}
	out := s2.Encode(scratch[:need], src)
	if len(out) > len(src)-len(src)/minGain {
		return src, codecPlain
	}
	return out, codecS2
}

// decodeS2 fills out, whose length is the one that the metadata promises.
func decodeS2(out, body []byte) error {
	if n, err := s2.DecodedLen(body); err != nil || n != len(out) {
		return errDamaged
	}
	if _, err := s2.Decode(out, body); err != nil {
		return errDamaged
	}
	return nil
}
