package floe

import (
	"fmt"
	"slices"

	"github.com/hipaakit/hipaakit/internal/forkjoin"
)

const (
	// batchAlone is what a single core seals or opens at a time: it fits its cache.
	batchAlone = 256 << 10
	// batchTogether is what several cores do before they meet again: long enough
	// that waking them, some 50 us, hardly shows, and little memory on any number
	// of cores. It keeps 64 of them busy with a segment of 64 KiB each.
	batchTogether = 4 << 20
	// straight is how many batches are done at once where data goes from slice to
	// slice, so that a batch takes no memory. It bounds how late Stop is asked.
	straight = 4
)

// batchSegments is how many segments are worked on at once, by all cores.
func (p params) batchSegments() int {
	size := batchAlone
	if forkjoin.Workers() > 1 {
		size = batchTogether
	}
	return max(1, size/p.segmentLength)
}

// SealAll appends consecutive segments to dst, the first at position, working on
// all cores. plaintext, which dst must not overlap, is a whole number of full
// segments; with final it may be any length, and its last segment ends the
// message. Without spare capacity in dst it allocates. On an error dst is returned
// as it was.
func (s *Sealer) SealAll(dst, plaintext []byte, position uint64, final bool) ([]byte, error) {
	n := s.count(len(plaintext), final)
	if n < 0 {
		return dst, fmt.Errorf("floe: %d plaintext bytes are no whole number of segments: %w", len(plaintext), ErrParameters)
	}
	size := len(plaintext) + n*SegmentOverhead
	dst = slices.Grow(dst, size)
	out := dst[len(dst) : len(dst)+size]
	if err := s.sealEach(n, out, plaintext, position, final); err != nil {
		return dst, err
	}
	return dst[:len(dst)+size], nil
}

func (s *Sealer) sealEach(n int, out, plaintext []byte, position uint64, final bool) error {
	if forkjoin.Workers() > 1 {
		return forkjoin.Do(n, func(i int) error {
			return s.sealPiece(i, out, plaintext, position, final && i == n-1)
		})
	}
	for i := range n { // without the closure, which is allocated
		if err := s.sealPiece(i, out, plaintext, position, final && i == n-1); err != nil {
			return err
		}
	}
	return nil
}

// sealPiece seals the i-th segment of a batch into its place in out.
func (s *Sealer) sealPiece(i int, out, plaintext []byte, position uint64, final bool) error {
	from, to := i*s.message.plain(), min((i+1)*s.message.plain(), len(plaintext))
	at := i * s.message.segmentLength
	_, err := s.Seal(out[at:at:at+to-from+SegmentOverhead], plaintext[from:to], position+uint64(i), final)
	return err
}

// count is how many segments n bytes take, -1 if they cannot be cut into full
// ones. Only the segment of an empty message is empty.
func (s *Sealer) count(n int, final bool) int {
	full := s.message.plain()
	switch {
	case final:
		return max(1, (n+full-1)/full)
	case n%full != 0:
		return -1
	}
	return n / full
}

// OpenAll verifies consecutive segments, the first at position, working on all
// cores, and appends their plaintext to dst, which must not overlap sealed. With
// final the last of them is the message's last and may be short. On an error,
// which is [ErrCorrupt], dst is returned as it was, and what was opened is wiped.
func (o *Opener) OpenAll(dst, sealed []byte, position uint64, final bool) ([]byte, error) {
	length := o.message.segmentLength
	n := (len(sealed) + length - 1) / length
	size := len(sealed) - n*SegmentOverhead
	if n == 0 || size < 0 {
		return dst, fmt.Errorf("%w: %d bytes hold no segment", ErrCorrupt, len(sealed))
	}
	dst = slices.Grow(dst, size)
	out := dst[len(dst) : len(dst)+size]
	if err := o.openEach(n, out, sealed, position, final); err != nil {
		clear(out)
		return dst, err
	}
	return dst[:len(dst)+size], nil
}

func (o *Opener) openEach(n int, out, sealed []byte, position uint64, final bool) error {
	if forkjoin.Workers() > 1 {
		return forkjoin.Do(n, func(i int) error {
			return o.openPiece(i, out, sealed, position, final && i == n-1)
		})
	}
	for i := range n { // without the closure, which is allocated
		if err := o.openPiece(i, out, sealed, position, final && i == n-1); err != nil {
			return err
		}
	}
	return nil
}

// openPiece opens the i-th segment of a batch into its place in out.
func (o *Opener) openPiece(i int, out, sealed []byte, position uint64, final bool) error {
	length := o.message.segmentLength
	segment := sealed[i*length : min((i+1)*length, len(sealed))]
	if len(segment) < SegmentOverhead {
		return fmt.Errorf("%w: cut off in segment %d", ErrCorrupt, position+uint64(i))
	}
	at := i * o.message.plain()
	_, err := o.Open(out[at:at:at+len(segment)-SegmentOverhead], segment, position+uint64(i), final)
	return err
}
