package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/floe"
)

// TestBodyIsASeekableZstdFile reads the decrypted body of an envelope, whole and in
// ranges, by another implementation of the Zstandard seekable format.
func TestBodyIsASeekableZstdFile(t *testing.T) {
	var data []byte
	for i := 0; len(data) < 1_000_000; i++ {
		data = fmt.Appendf(data, `{"resourceType":"Observation","value":%d}`, i*7919)
	}
	for _, pad := range []bool{false, true} {
		body := decryptedBody(t, data, envelope.Options{Pad: pad})
		d, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		r, err := seekable.NewReader(bytes.NewReader(body), d)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, data) {
			t.Fatalf("padded=%t: %d bytes, %v", pad, len(all), err)
		}
		p := make([]byte, 1000)
		for _, off := range []int{0, 262_000, 786_432, len(data) - 1000} {
			if _, err := r.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, data[off:off+1000]) {
				t.Errorf("padded=%t: range at %d: %v", pad, off, err)
			}
		}
	}
}

// oneKey is a keyring of one key, which the test knows too.
type oneKey struct{ key []byte }

func (oneKey) Latest(context.Context, string) (envelope.KeyID, error) {
	return envelope.KeyID{Name: envelope.DefaultKey, Version: 1}, nil
}

func (k oneKey) Derive(_ context.Context, _ envelope.KeyID, info []byte) (out [envelope.DerivedKeySize]byte, err error) {
	derived, err := hkdf.Expand(sha512.New384, k.key, string(info), len(out))
	copy(out[:], derived)
	return out, err
}

// decryptedBody seals data and opens it down to FLOE's plaintext, by docs/format.md.
func decryptedBody(t *testing.T, data []byte, o envelope.Options) []byte {
	t.Helper()
	ring, b := oneKey{bytes.Repeat([]byte{9}, 32)}, envelope.Binding{Store: "s", Key: "k"}
	sealed, err := envelope.Seal(t.Context(), nil, data, ring, b, o)
	if err != nil {
		t.Fatal(err)
	}
	const prefix, slots, saltSize, wrappedSize = 48, 58, 32, 60
	headerLength, metadataLength := binary.BigEndian.Uint32(sealed[48:]), binary.BigEndian.Uint32(sealed[52:])
	digest := sha256.Sum256([]byte("\x00\x00\x00\x01s\x00\x00\x00\x01k"))
	salt := sealed[slots+1+len(envelope.DefaultKey)+4:]
	slotKey, _ := ring.Derive(t.Context(), envelope.KeyID{}, bytes.Join([][]byte{[]byte("hipaakit envelope v1 slot"), salt[:saltSize], digest[:]}, nil))
	block, err := aes.NewCipher(slotKey[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	dataKey, err := gcm.Open(nil, nil, salt[saltSize:saltSize+wrappedSize], sealed[:prefix])
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Expand(sha512.New384, dataKey, "hipaakit envelope v1 floe", floe.KeySize)
	if err != nil {
		t.Fatal(err)
	}
	rest := sealed[headerLength+metadataLength:]
	opener, err := floe.NewOpener(key, sealed[:prefix], rest[:floe.HeaderSize])
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(floe.NewReader(bytes.NewReader(rest[floe.HeaderSize:]), opener))
	if err != nil {
		t.Fatal(err)
	}
	return body
}
