package main

import (
	"crypto/aes"
	"crypto/cipher"
)

const rawGCM = "raw AES-GCM"

// bareGCM is AES-256-GCM over the whole of the data under one key, whose schedule
// is made once: as fast as this cipher goes, and no format at all. It holds what it
// opens until the tag at the very end verified, cannot read a range, and seals no
// more than 2^32 records or 64 GiB in one.
func bareGCM() (scheme, error) {
	aead, err := newGCM(make([]byte, 32))
	return scheme{
		name: rawGCM,
		seal: func(dst, data []byte) ([]byte, error) { return aead.Seal(dst, nil, data, nil), nil },
		open: func(dst, sealed []byte) ([]byte, error) { return aead.Open(dst, nil, sealed, nil) },
	}, err
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
