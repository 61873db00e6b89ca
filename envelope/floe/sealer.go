package floe

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
)

// Sealer seals the segments of one message, in any order and from any number
// of goroutines. Its caller must use each position once and mark exactly the
// last one as final; [Writer] does.
type Sealer struct {
	message *message
	header  [HeaderSize]byte
}

// NewSealer starts a message under key ([KeySize] bytes) and the associated
// data aad, which the opener must know. It is startEncryption of the
// specification. The error is [ErrParameters] for a segment length outside
// [MinSegmentLength] to [MaxSegmentLength] or a key of another size.
func NewSealer(key, aad []byte, segmentLength int) (*Sealer, error) {
	return newSealer(key, aad, params{segmentLength: segmentLength, rotation: rotationMask})
}

func newSealer(key, aad []byte, p params) (*Sealer, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	s := &Sealer{}
	enc := p.encode()
	copy(s.header[:], enc[:])
	iv := s.header[paramsSize : paramsSize+ivSize]
	rand.Read(iv)
	m, tag := newMessage(p, key, iv, slices.Clone(aad))
	copy(s.header[paramsSize+ivSize:], tag[:])
	s.message = m
	return s, nil
}

func checkKey(key []byte) error {
	if len(key) != KeySize {
		return fmt.Errorf("floe: key of %d bytes, want %d: %w", len(key), KeySize, ErrParameters)
	}
	return nil
}

// Header returns the [HeaderSize] bytes that precede the segments.
func (s *Sealer) Header() []byte { return slices.Clone(s.header[:]) }

// PlainSegment is how many bytes of plaintext every segment but the final one
// carries.
func (s *Sealer) PlainSegment() int { return s.message.plain() }

// Seal appends the segment at position to dst, which must not overlap
// plaintext, and returns the extended slice. Without spare capacity in dst it
// allocates. It is encryptSegment of the specification.
func (s *Sealer) Seal(dst, plaintext []byte, position uint64, final bool) ([]byte, error) {
	m := s.message
	switch {
	case position >= MaxSegments:
		return dst, ErrTooLong
	case len(plaintext) > m.plain(), !final && len(plaintext) < m.plain():
		return dst, fmt.Errorf("floe: segment of %d plaintext bytes, final=%t, where full is %d: %w",
			len(plaintext), final, m.plain(), ErrParameters)
	}
	aead, err := m.aead(position)
	if err != nil {
		return dst, err
	}
	marker := uint32(notFinal)
	if final {
		marker = uint32(len(plaintext) + SegmentOverhead)
	}
	dst = slices.Grow(dst, len(plaintext)+SegmentOverhead)
	dst = binary.BigEndian.AppendUint32(dst, marker)
	tail := newTail(position, final)
	defer tails.Put(tail)
	return aead.Seal(dst, nil, plaintext, tail[:]), nil
}
