package diskcache

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// hashSeed keys the hash that stands for a key in the index and, inside sealed
// blocks, on disk. It is derived from the cache key, so that a restarted process
// computes the same hashes and nobody else can: neither choose keys that collide,
// nor tell keys from hashes.
type hashSeed struct{ k0, k1 uint64 }

func newHashSeed(key *cacheKey) *hashSeed {
	raw := key.derive("hash seed", nil)
	return &hashSeed{binary.BigEndian.Uint64(raw[:]), binary.BigEndian.Uint64(raw[8:])}
}

// sum is SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast
// short-input PRF", 2012; the rounds are those that Rust and Python use for hash
// tables). Two keys that collide all the same are told apart by the full key in
// the sealed record.
//
// Written out, because a loop for one round, and one for the last bytes, would take half
// as long again, which is a tenth of a hit in memory.
func (s *hashSeed) sum(key string) uint64 {
	v0, v1 := s.k0^0x736f6d6570736575, s.k1^0x646f72616e646f6d
	v2, v3 := s.k0^0x6c7967656e657261, s.k1^0x7465646279746573
	p := unsafe.Slice(unsafe.StringData(key), len(key))
	last := uint64(len(key))<<56 | tail(p)
	for ; len(p) >= 8; p = p[8:] {
		m := binary.LittleEndian.Uint64(p)
		v3 ^= m
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= m
	}
	v3 ^= last
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= last
	v2 ^= 0xff
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	return v0 ^ v1 ^ v2 ^ v3
}

// tail returns the bytes behind the last whole word.
func tail(p []byte) (last uint64) {
	rest := len(p) % 8
	if len(p) >= 8 && rest > 0 {
		return binary.LittleEndian.Uint64(p[len(p)-8:]) >> (8 * (8 - rest))
	}
	for i, b := range p[len(p)-rest:] {
		last |= uint64(b) << (8 * i)
	}
	return last
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v1
	v0 += v3
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	return v0, v1, bits.RotateLeft64(v2, 32), v3
}
