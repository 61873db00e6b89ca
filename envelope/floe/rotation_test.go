package floe

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"testing"
)

// TestKeysRotateAsTheSpecificationSays opens segments around the edges of windows by
// AES-GCM under keys that the test derives with the standard library's HKDF: 2^20
// segments share a key, and no other does.
func TestKeysRotateAsTheSpecificationSays(t *testing.T) {
	const window = 1 << 20
	aad := []byte("aad")
	s, err := NewSealer(testKey, aad, testSegment)
	if err != nil {
		t.Fatal(err)
	}
	// In this order, so that the key kept from the segment before must be given up.
	for _, position := range []uint64{0, window - 1, window, 2*window - 1, 5, 16 * window, MaxSegments - 1} {
		plain := pattern(s.PlainSegment())
		sealed, err := s.Seal(nil, plain, position, false)
		if err != nil {
			t.Fatal(err)
		}
		tail := append(binary.BigEndian.AppendUint64(nil, position), 0)
		key := specifiedKey(t, s.Header(), aad, position/window*window)
		got, err := openGCM(t, key, sealed[markerSize:], tail)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("segment %d is not under the key of its window: %v", position, err)
		}
		foreign := specifiedKey(t, s.Header(), aad, (position/window+1)*window)
		if _, err := openGCM(t, foreign, sealed[markerSize:], tail); err == nil {
			t.Errorf("segment %d is under the key of the next window", position)
		}
	}
}

// specifiedKey is FLOE's DERIVE_KEY for the window that begins at first, written from
// the specification.
func specifiedKey(t *testing.T, header, aad []byte, first uint64) []byte {
	t.Helper()
	kdf := func(key []byte, purpose string, n int) []byte {
		info := string(header[:paramsSize+ivSize]) + purpose + string(aad)
		out, err := hkdf.Expand(sha512.New384, key, info, n)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	message := kdf(testKey, "MESSAGE_KEY:", 48)
	return kdf(message, "DEK:"+string(binary.BigEndian.AppendUint64(nil, first)), 32)
}

func openGCM(t *testing.T, key, sealed, tail []byte) ([]byte, error) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead.Open(nil, nil, sealed, tail)
}

// TestOtherRotationDoesNotOpen seals with a key for every four segments.
func TestOtherRotationDoesNotOpen(t *testing.T) {
	plain := pattern(32 * 9)
	header, body := seal(t, plain, params{testSegment, 2})
	for rotation, want := range map[uint]int{1: 2, 2: 9, 3: 4, rotationMask: 4} {
		o, err := newOpener(testKey, []byte("aad"), header, rotation)
		if err != nil {
			t.Fatal(err)
		}
		opened := 0
		for i := range 9 {
			segment := body[i*testSegment : min((i+1)*testSegment, len(body))]
			if _, err := o.Open(nil, segment, uint64(i), i == 8); err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				break
			}
			opened++
		}
		if opened != want {
			t.Errorf("a key for 2^%d segments opens the first %d, want %d", rotation, opened, want)
		}
	}
}
