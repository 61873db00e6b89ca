package floe

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/hipaakit/hipaakit/internal/expand"
)

// TestSalamander builds one ciphertext that AES-GCM opens under two keys (Dodis et
// al., "Fast Message Franking", CRYPTO 2018), puts it into a message as its only
// segment, and demands that the header lets in but one of the two: FLOE commits.
func TestSalamander(t *testing.T) {
	other := bytes.Repeat([]byte{8}, KeySize)
	aad, p := []byte("aad"), params{segmentLength: 256, rotation: rotationMask}
	s, err := newSealer(testKey, aad, p)
	if err != nil {
		t.Fatal(err)
	}
	header := s.Header()
	// What the second reader would derive if nothing bound the header to its key.
	second, tag := newMessage(p, other, header[paramsSize:paramsSize+ivSize], aad)
	body := salamander(t, segmentKeyOf(s.message), segmentKeyOf(second), newTail(0, true)[:])

	for name, m := range map[string]*message{"first": s.message, "second": second} {
		if _, err := (&Opener{m}).Open(nil, body, 0, true); err != nil {
			t.Fatalf("the forgery does not open under the %s key: %v", name, err)
		}
	}
	if _, err := NewOpener(other, aad, header); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the header opens under the second key: %v", err)
	}
	copy(header[paramsSize+ivSize:], tag[:])
	if _, err := NewOpener(testKey, aad, header); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the header of the second key opens under the first: %v", err)
	}
}

// segmentKeyOf is the AES key of the first segments.
func segmentKeyOf(m *message) (key [KeySize]byte) {
	purpose := binary.BigEndian.AppendUint64([]byte("DEK:"), 0)
	m.kdf(expand.New(m.key[:]), m.iv, m.aad, purpose, key[:])
	return key
}

// salamander is a final segment of three blocks that opens under both keys. The
// last block is solved for: tags are linear in it.
func salamander(t *testing.T, key1, key2 [KeySize]byte, aad []byte) []byte {
	t.Helper()
	nonce := bytes.Repeat([]byte{5}, nonceSize)
	h1, e1 := ghashKey(t, key1, nonce)
	h2, e2 := ghashKey(t, key2, nonce)
	blocks := []element{blockOf(aad), {1, 2}, {3, 4}, {}, {uint64(len(aad)) * 8, 3 * 16 * 8}}
	// tag = sum of block i times H^(n-i), plus E: equal for both keys.
	rest := ghash(h1, blocks).add(e1).add(ghash(h2, blocks)).add(e2)
	blocks[3] = rest.mul(h1.mul(h1).add(h2.mul(h2)).inverse())
	segment := binary.BigEndian.AppendUint32(nil, uint32(3*16+SegmentOverhead))
	segment = append(segment, nonce...)
	for _, b := range append(blocks[1:4:4], ghash(h1, blocks).add(e1)) {
		segment = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(segment, b[0]), b[1])
	}
	return segment
}

// ghashKey is GCM's hash key and the block that masks its tag (NIST SP 800-38D).
func ghashKey(t *testing.T, key [KeySize]byte, nonce []byte) (h, mask element) {
	t.Helper()
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(b []byte) element {
		var out [16]byte
		block.Encrypt(out[:], b)
		return blockOf(out[:])
	}
	return encrypt(make([]byte, 16)), encrypt(append(append([]byte{}, nonce...), 0, 0, 0, 1))
}

// element is one of GF(2^128) in GCM's order of bits: the first is x^0.
type element [2]uint64

func blockOf(b []byte) element {
	var padded [16]byte
	copy(padded[:], b)
	return element{binary.BigEndian.Uint64(padded[:]), binary.BigEndian.Uint64(padded[8:])}
}

func ghash(h element, blocks []element) (sum element) {
	for _, b := range blocks {
		sum = sum.add(b).mul(h)
	}
	return sum
}

func (a element) add(b element) element { return element{a[0] ^ b[0], a[1] ^ b[1]} }

func (a element) mul(b element) (product element) {
	for i := range 128 {
		if a[i/64]>>(63-i%64)&1 == 1 {
			product = product.add(b)
		}
		carry := b[1] & 1
		b = element{b[0] >> 1, b[1]>>1 | b[0]<<63}
		b[0] ^= carry * 0xE1 << 56
	}
	return product
}

// inverse is a to the power of 2^128 - 2.
func (a element) inverse() element {
	result, square := element{1 << 63, 0}, a
	for range 127 {
		square = square.mul(square)
		result = result.mul(square)
	}
	return result
}
