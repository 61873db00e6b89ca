package floe

import (
	"encoding/binary"
	"fmt"

	"github.com/hipaakit/hipaakit/internal/expand"
)

var (
	purposeHeaderTag  = []byte("HEADER_TAG:")
	purposeMessageKey = []byte("MESSAGE_KEY:")
)

const (
	// KeySize is the length of a FLOE key in bytes.
	KeySize = 32
	// HeaderSize is the length of a FLOE header in bytes.
	HeaderSize = paramsSize + ivSize + headerTagSize
	// SegmentOverhead is what a segment is longer than its plaintext.
	SegmentOverhead = markerSize + nonceSize + tagSize
	// MinSegmentLength is the shortest segment that carries a byte.
	MinSegmentLength = SegmentOverhead + 1
	// MaxSegmentLength keeps the length of a final segment apart from the
	// marker of all others.
	MaxSegmentLength = notFinal - 1
	// MaxSegments is the specification's limit for one message.
	MaxSegments = 1 << 40

	paramsSize    = 10
	ivSize        = 32
	headerTagSize = 32
	markerSize    = 4
	nonceSize     = 12
	tagSize       = 16

	messageKeySize = 48 // KDF_KEY_LEN of HKDF-Expand-SHA-384
	notFinal       = 0xFFFFFFFF

	// rotationMask: 2^20 segments share an AES key, so that the probability of
	// a repeated random nonce under one key stays below 2^-57.
	rotationMask = 20
)

// params is what the specification calls the parameters; only the segment
// length varies outside of known-answer tests.
type params struct {
	segmentLength int
	rotation      uint
}

func (p params) check() error {
	if p.segmentLength < MinSegmentLength || int64(p.segmentLength) > MaxSegmentLength {
		return fmt.Errorf("floe: segment length %d is outside %d to %d: %w",
			p.segmentLength, MinSegmentLength, int64(MaxSegmentLength), ErrParameters)
	}
	return nil
}

// encode is PARAM_ENCODE.
func (p params) encode() [paramsSize]byte {
	var b [paramsSize]byte // ids of AES-256-GCM and HKDF-Expand-SHA-384 are both 0
	binary.BigEndian.PutUint32(b[2:], uint32(p.segmentLength))
	binary.BigEndian.PutUint32(b[6:], ivSize)
	return b
}

// parseParams reads PARAM_ENCODE and refuses every family member that this
// package does not implement, by name.
func parseParams(b []byte) (params, error) {
	switch {
	case b[0] != 0:
		return params{}, fmt.Errorf("floe: AEAD id %d: %w", b[0], ErrParameters)
	case b[1] != 0:
		return params{}, fmt.Errorf("floe: KDF id %d: %w", b[1], ErrParameters)
	case binary.BigEndian.Uint32(b[6:]) != ivSize:
		return params{}, fmt.Errorf("floe: IV length %d: %w", binary.BigEndian.Uint32(b[6:]), ErrParameters)
	}
	p := params{segmentLength: int(binary.BigEndian.Uint32(b[2:])), rotation: rotationMask}
	return p, p.check()
}

// plain is how many plaintext bytes a full segment carries.
func (p params) plain() int { return p.segmentLength - SegmentOverhead }

// kdf is FLOE_KDF; it fills out.
func (p params) kdf(key *expand.Key, iv, aad, purpose, out []byte) {
	enc := p.encode()
	info := make([]byte, 0, paramsSize+ivSize+len(purpose)+len(aad))
	info = append(info, enc[:]...)
	info = append(info, iv...)
	info = append(info, purpose...)
	info = append(info, aad...)
	key.Into(out, info)
}
