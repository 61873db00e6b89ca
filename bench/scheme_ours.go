package main

import (
	"bytes"
	"context"
	"path/filepath"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// here is what every envelope is bound to.
var here = envelope.Binding{Store: "bench", Key: "patients/000001/observations"}

// newKeyring is what one node of an application has: a file, a raw key.
func (b *bench) newKeyring() (*keyring.Keyring, error) {
	p, err := keyring.Raw(keyring.NewSecret(bytes.Repeat([]byte{1}, keyring.KeySize)))
	if err != nil {
		return nil, err
	}
	return keyring.Create(context.Background(), keyring.File(filepath.Join(b.dir, "keyring")), p)
}

// oneShot is [envelope.Seal] and [envelope.Open].
func oneShot(kr envelope.Keyring, o envelope.Options) scheme {
	ctx := context.Background()
	return scheme{
		name: "one-shot",
		seal: func(dst, data []byte) ([]byte, error) { return envelope.Seal(ctx, dst, data, kr, here, o) },
		open: func(dst, sealed []byte) ([]byte, error) {
			data, _, err := envelope.Open(ctx, dst, sealed, kr, here)
			return data, err
		},
	}
}

// stream is [envelope.Writer], given all at once, and [envelope.Reader].
func stream(kr envelope.Keyring, o envelope.Options) scheme {
	ctx := context.Background()
	return scheme{
		name: "stream",
		seal: func(dst, data []byte) ([]byte, error) {
			w := &sliceWriter{dst}
			sealer, err := envelope.NewWriter(ctx, w, kr, here, o)
			if err != nil {
				return nil, err
			}
			return writeAll(w, sealer, data)
		},
		open: func(dst, sealed []byte) ([]byte, error) {
			r, err := envelope.NewReader(ctx, bytes.NewReader(sealed), kr, here)
			if err != nil {
				return nil, err
			}
			return readInto(dst, r)
		},
	}
}
