package envelope

import (
	"fmt"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// DefaultSegmentLength is the FLOE segment length where nothing else is said, in
// bytes. Small enough that a range of a large object costs little, large enough
// that the 32 bytes around each segment cost nothing.
const DefaultSegmentLength = 64 << 10

// MaxSize is the most data that an envelope takes, in bytes: 48.8 TiB, as 10,000
// parts of 5 GiB are the largest object of S3.
const MaxSize = 10_000 * 5 << 30

// Options says how to seal. The zero value is good: compressed, one slot for
// the newest version of [DefaultKey].
type Options struct {
	// Keys names the keys of the keyring that shall open the envelope, at most
	// 16. Default: [DefaultKey].
	Keys []string
	// Compression defaults to [CompressFast].
	Compression Compression
	// SegmentLength defaults to [DefaultSegmentLength]; from
	// floe.MinSegmentLength to 16 MiB.
	SegmentLength int
	// Size of the data in bytes, if known before it is written; a difference is
	// [ErrSize]. At most [MaxSize]. With 0 it is learned on the way. [Seal] sets it itself.
	Size int64
	// Pad hides the exact length behind padding of at most 12 %: what is left to
	// see is the length's order of magnitude and its first bits (Padmé). Without
	// compression it needs the size beforehand.
	Pad bool
	// Name and Metadata are sealed, and readable without the body. Together at
	// most 64 KiB.
	Name     string
	Metadata map[string]string
}

// maxSegmentLength bounds what a reader must hold; FLOE itself goes to 4 GiB.
const maxSegmentLength = 16 << 20

func (o Options) withDefaults() (Options, error) {
	if len(o.Keys) == 0 {
		o.Keys = []string{DefaultKey}
	}
	if o.SegmentLength == 0 {
		o.SegmentLength = DefaultSegmentLength
	}
	switch {
	case len(o.Keys) > maxSlots:
		return o, fmt.Errorf("%w: %d keys, at most %d fit an envelope", ErrInvalid, len(o.Keys), maxSlots)
	case o.SegmentLength < floe.MinSegmentLength || o.SegmentLength > maxSegmentLength:
		return o, fmt.Errorf("%w: segment length %d is outside %d to %d", ErrInvalid, o.SegmentLength, floe.MinSegmentLength, maxSegmentLength)
	case o.Size < 0:
		return o, fmt.Errorf("%w: negative size", ErrInvalid)
	case o.Size > MaxSize:
		return o, fmt.Errorf("%w: size %d, at most %d bytes fit an envelope; split the data", ErrInvalid, o.Size, int64(MaxSize))
	}
	return o, o.Compression.check()
}
