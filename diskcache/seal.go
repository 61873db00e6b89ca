package diskcache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// Sealing is AES-256-GCM with a random nonce in front (nonce || ciphertext ||
// tag, NIST SP 800-38D), under a key that belongs to one segment file:
//
//	key = HKDF-SHA-256(secret: cache key, salt: file id, info: segment header)
//
// A segment has at most 2 GiB, so one key seals fewer than 2^26 messages,
// far from the 2^32 that random nonces allow.
//
// Associated data of the metadata, which ties it to its place:
//
//	'm' || file id || be64 offset || header
//
// and of body chunk n, which ties it to that metadata as well:
//
//	'c' || file id || be64 offset || header || metadata without the blob ||
//	be64 n || 1 if last, else 0
//
// Without the offset, somebody with access to the disk could copy the old
// record of a key over its new one. Without the chunk number and the last
// flag, chunks could be swapped or left out. The format's version is part of
// the segment header, and so of the key.
const (
	chunkBytes   = 64 << 10 // a range costs at most one chunk more than it asks for
	sealOverhead = 12 + 16

	labelMeta  = 'm'
	labelChunk = 'c'
)

type cacheKey [32]byte

// newAEAD derives the key of the segment with this header.
func newAEAD(key *cacheKey, h *segmentHeader) (cipher.AEAD, error) {
	raw := h.bytes()
	segmentKey, err := hkdf.Key(sha256.New, key[:], h.id[:], string(raw[:]), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(segmentKey)
	if err != nil {
		return nil, err
	}
	clear(segmentKey)
	return cipher.NewGCMWithRandomNonce(block)
}

// sealedBytes is the length of a body of n bytes after sealing.
func sealedBytes(n uint64) uint64 {
	return n + (n+chunkBytes-1)/chunkBytes*sealOverhead
}

// place is where a record is: everything its seals are bound to.
type place struct {
	seg *segment
	off int64
	header
}

func (p place) appendAAD(b []byte, label byte) []byte {
	b = append(b, label)
	b = append(b, p.seg.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.off))
	return p.header.appendTo(b)
}

// chunkAAD is the associated data of a record's chunks. Only its last nine
// bytes differ from one to the next, so they are rewritten in place.
type chunkAAD []byte

func (p place) appendChunkAAD(b []byte, meta []byte, blob int) chunkAAD {
	b = p.appendAAD(b, labelChunk)
	b = append(b, meta[:len(meta)-blob]...)
	return append(b, make([]byte, 9)...)
}

func (a chunkAAD) of(n uint64, last bool) []byte {
	tail := a[len(a)-9:]
	binary.BigEndian.PutUint64(tail, n)
	tail[8] = 0
	if last {
		tail[8] = 1
	}
	return a
}
