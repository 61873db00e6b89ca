package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
)

const (
	dataKeySize = 32
	gcmOverhead = 12 + 16 // random nonce and tag of NewGCMWithRandomNonce

	labelFLOE     = "hipaakit envelope v1 floe"
	labelHeader   = "hipaakit envelope v1 header"
	labelMetadata = "hipaakit envelope v1 metadata"
	labelSlot     = "hipaakit envelope v1 slot"
)

// dataKey is the secret of one envelope. Nothing is encrypted under it.
type dataKey [dataKeySize]byte

func newDataKey() *dataKey {
	var k dataKey
	rand.Read(k[:])
	return &k
}

func (k *dataKey) derive(label string, size int) ([]byte, error) {
	return hkdf.Expand(sha512.New384, k[:], label, size)
}

func (k *dataKey) wipe() { clear(k[:]) }

// newAEAD is AES-256-GCM that makes its own nonces, the only form that
// GODEBUG=fips140=only lets both seal and open.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
