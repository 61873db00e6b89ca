package main

import (
	"bytes"

	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/streamingaead"
)

// tinkStream is Tink's streaming AEAD (AES256-GCM-HKDF). Each stream has a key of
// its own, derived from the keyset's; it does not commit to it.
func tinkStream(name string, template *tinkpb.KeyTemplate) (scheme, error) {
	handle, err := keyset.NewHandle(template)
	if err != nil {
		return scheme{}, err
	}
	aead, err := streamingaead.New(handle)
	if err != nil {
		return scheme{}, err
	}
	bound := []byte(here.Key)
	return scheme{
		name: name,
		seal: func(dst, data []byte) ([]byte, error) {
			w := &sliceWriter{dst}
			sealer, err := aead.NewEncryptingWriter(w, bound)
			if err != nil {
				return nil, err
			}
			return writeAll(w, sealer, data)
		},
		open: func(dst, sealed []byte) ([]byte, error) {
			r, err := aead.NewDecryptingReader(bytes.NewReader(sealed), bound)
			if err != nil {
				return nil, err
			}
			return readInto(dst, r)
		},
	}, nil
}
