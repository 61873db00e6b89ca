package envelope

import (
	"fmt"
	"slices"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// DefaultSegmentLength is the FLOE segment length where nothing else is said, in
// bytes. Small enough that a range of a large object costs little, large enough
// that the 32 bytes around each segment cost nothing.
const DefaultSegmentLength = 64 << 10

// MaxSize is the most data that an envelope takes, in bytes: 48.8 TiB, as 10,000
// parts of 5 GiB are the largest object of S3. Padding, and segments of less than 96
// bytes, leave room for less.
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
	// see is the length's order of magnitude and its first bits (Padmé). Of data
	// that is compressed it takes at most 255 GiB; without compression it needs the
	// size beforehand, and takes 0 for the size of empty data.
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
	case hasDuplicates(o.Keys):
		return o, fmt.Errorf("%w: a key is named twice", ErrInvalid)
	case o.SegmentLength < floe.MinSegmentLength || o.SegmentLength > maxSegmentLength:
		return o, fmt.Errorf("%w: segment length %d is outside %d to %d", ErrInvalid, o.SegmentLength, floe.MinSegmentLength, maxSegmentLength)
	case o.Size < 0:
		return o, fmt.Errorf("%w: negative size", ErrInvalid)
	case o.Size > o.most():
		return o, fmt.Errorf("%w: size %d, at most %d bytes fit such an envelope; split the data", ErrInvalid, o.Size, o.most())
	}
	return o, o.Compression.check()
}

func hasDuplicates(names []string) bool {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return true
		}
	}
	return false
}

// padsPlain says that padding follows the data itself: only the size tells where.
func (o Options) padsPlain() bool { return o.Pad && o.Compression == CompressNone }

// most is the largest size that these options can seal.
func (o Options) most() int64 {
	most := int64(MaxSize)
	if o.Pad && o.Compression != CompressNone {
		most = maxPadded
	}
	// Only of segments this short there may be too few. Frames, seek table and
	// padding make the stream longer than the data, by less than a fiftieth.
	if plain := o.SegmentLength - floe.SegmentOverhead; plain < 64 {
		most = min(most, floe.MaxSegments/50*49*int64(plain))
	}
	return most
}
