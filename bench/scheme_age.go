package main

import (
	"bytes"

	"filippo.io/age"
)

// ageFile is filippo.io/age for one X25519 recipient: ChaCha20-Poly1305 in chunks
// of 64 KiB. Its fixed cost is the key agreement of each file.
func ageFile() (scheme, error) {
	identity, err := age.GenerateX25519Identity()
	return scheme{
		name: "age",
		seal: func(dst, data []byte) ([]byte, error) {
			w := &sliceWriter{dst}
			sealer, err := age.Encrypt(w, identity.Recipient())
			if err != nil {
				return nil, err
			}
			return writeAll(w, sealer, data)
		},
		open: func(dst, sealed []byte) ([]byte, error) {
			r, err := age.Decrypt(bytes.NewReader(sealed), identity)
			if err != nil {
				return nil, err
			}
			return readInto(dst, r)
		},
	}, err
}
