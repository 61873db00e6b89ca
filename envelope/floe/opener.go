package floe

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"slices"
)

// Opener opens the segments of one message, in any order and from any number
// of goroutines. Its caller must know which segment is the last: an opener
// that is told "final" by whoever wrote the ciphertext proves nothing about
// truncation. [Reader] learns it from where the stream ends.
type Opener struct{ message *message }

// NewOpener verifies header, [HeaderSize] bytes, under key and aad. It is
// startDecryption of the specification. The error is [ErrParameters] or
// [ErrCorrupt].
func NewOpener(key, aad, header []byte) (*Opener, error) {
	return newOpener(key, aad, header, rotationMask)
}

func newOpener(key, aad, header []byte, rotation uint) (*Opener, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if len(header) != HeaderSize {
		return nil, fmt.Errorf("floe: header of %d bytes, want %d: %w", len(header), HeaderSize, ErrCorrupt)
	}
	p, err := parseParams(header)
	if err != nil {
		return nil, err
	}
	p.rotation = rotation
	iv := slices.Clone(header[paramsSize : paramsSize+ivSize])
	m, tag := newMessage(p, key, iv, slices.Clone(aad))
	if subtle.ConstantTimeCompare(tag[:], header[paramsSize+ivSize:]) != 1 {
		return nil, fmt.Errorf("%w: header tag", ErrCorrupt)
	}
	return &Opener{m}, nil
}

// SegmentLength is the sealed length of every segment but the final one.
func (o *Opener) SegmentLength() int { return o.message.segmentLength }

// Open verifies the segment at position and appends its plaintext to dst, which
// must not overlap segment. It is decryptSegment of the specification. After an
// error, which is [ErrCorrupt], dst is returned as it was.
func (o *Opener) Open(dst, segment []byte, position uint64, final bool) ([]byte, error) {
	m := o.message
	if position >= MaxSegments {
		return dst, fmt.Errorf("%w: segment %d", ErrCorrupt, position)
	}
	if err := m.checkShape(segment, final); err != nil {
		return dst, err
	}
	aead, err := m.aead(position)
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, len(segment)-SegmentOverhead)
	tail := newTail(position, final)
	defer tails.Put(tail)
	out, err := aead.Open(dst, nil, segment[markerSize:], tail[:])
	if err != nil {
		return dst, fmt.Errorf("%w: segment %d", ErrCorrupt, position)
	}
	return out, nil
}

// checkShape holds a segment against its length marker. The marker is not
// authenticated by the tag; without this check two ciphertexts that differ in
// it would open to the same plaintext.
func (m *message) checkShape(segment []byte, final bool) error {
	n := len(segment)
	if n < SegmentOverhead || n > m.segmentLength {
		return fmt.Errorf("%w: segment of %d bytes", ErrCorrupt, n)
	}
	want := uint32(notFinal)
	if final {
		want = uint32(n)
	} else if n != m.segmentLength {
		return fmt.Errorf("%w: short segment before the end", ErrCorrupt)
	}
	if binary.BigEndian.Uint32(segment) != want {
		return fmt.Errorf("%w: length marker", ErrCorrupt)
	}
	return nil
}
