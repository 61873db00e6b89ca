package main

import (
	"github.com/minio/sio"
)

// dare is github.com/minio/sio: DARE 2.0, packages of 64 KiB under a key that the
// caller gives and has to keep, a new one for each object.
func dare() scheme {
	config := sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20,
		CipherSuites: []byte{sio.AES_256_GCM}, Key: make([]byte, 32),
	}
	return scheme{
		name: "sio",
		seal: func(dst, data []byte) ([]byte, error) {
			w := &sliceWriter{dst}
			sealer, err := sio.EncryptWriter(w, config)
			if err != nil {
				return nil, err
			}
			return writeAll(w, sealer, data)
		},
		// Its fastest way to open what lies in memory.
		open: func(dst, sealed []byte) ([]byte, error) { return sio.DecryptBuffer(dst, sealed, config) },
	}
}
