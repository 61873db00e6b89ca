package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"

	"github.com/hipaakit/hipaakit/internal/expand"
)

const (
	dataKeySize = 32
	gcmOverhead = 12 + 16 // random nonce and tag of NewGCMWithRandomNonce

)

var (
	labelFLOE     = []byte("hipaakit envelope v1 floe")
	labelHeader   = []byte("hipaakit envelope v1 header")
	labelMetadata = []byte("hipaakit envelope v1 metadata")
	labelSlot     = []byte("hipaakit envelope v1 slot")
)

// dataKey is the secret of one envelope. Nothing is encrypted under it.
type dataKey struct {
	secret [dataKeySize]byte
	*expand.Key
}

func newDataKey() *dataKey {
	var secret [dataKeySize]byte
	defer clear(secret[:])
	rand.Read(secret[:])
	return dataKeyOf(secret[:])
}

func dataKeyOf(secret []byte) *dataKey {
	return &dataKey{[dataKeySize]byte(secret), expand.New(secret)}
}

func (k *dataKey) wipe() { clear(k.secret[:]) }

// aead is AES-256-GCM under the key of that label.
func (k *dataKey) aead(label []byte) (cipher.AEAD, error) {
	var key [32]byte
	defer clear(key[:])
	k.Into(key[:], label)
	return newAEAD(key[:])
}

// newAEAD is AES-256-GCM that makes its own nonces, the only form that
// GODEBUG=fips140=only lets both seal and open.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
