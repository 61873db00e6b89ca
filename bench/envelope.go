package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// envelopeSuite seals one mebibyte: without compression beside bare AES-GCM, with
// it beside bare zstd.
func envelopeSuite(b *bench) error {
	ctx := context.Background()
	p, err := keyring.Raw(keyring.NewSecret(bytes.Repeat([]byte{1}, keyring.KeySize)))
	if err != nil {
		return err
	}
	kr, err := keyring.Create(ctx, keyring.File(filepath.Join(b.dir, "keyring")), p)
	if err != nil {
		return err
	}
	defer kr.Close()
	data := b.slices(1<<20, 1)[0]
	aead, err := newGCM()
	if err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name   string
		level  envelope.Compression
		factor float64
		peer   contender
	}{
		{"uncompressed", envelope.CompressNone, 1 / 0.85, contender{"raw AES-GCM", func(times int) error {
			buf := make([]byte, 0, len(data)+64)
			for range times {
				buf = aead.Seal(buf[:0], nil, data, nil)
			}
			return nil
		}}},
		{"compressed", envelope.CompressFast, 1 / 0.95, contender{"bare zstd", func(times int) error {
			buf := make([]byte, 0, len(data))
			for range times {
				buf = enc.EncodeAll(data, buf[:0])
			}
			return nil
		}}},
	} {
		if err := b.seal(ctx, kr, c.name, c.level, goal{peer: c.peer.name, factor: c.factor}, data, c.peer); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) seal(ctx context.Context, kr envelope.Keyring, name string, level envelope.Compression, g goal, data []byte, peer contender) error {
	here := envelope.Binding{Store: "bench", Key: "object"}
	sealed, err := envelope.Seal(ctx, nil, data, kr, here, envelope.Options{Compression: level})
	if err != nil {
		return err
	}
	if opened, _, err := envelope.Open(ctx, nil, sealed, kr, here); err != nil || !bytes.Equal(opened, data) {
		return fmt.Errorf("what was sealed does not open: %w", err)
	}
	buf := make([]byte, 0, len(data)+len(data)/100+4096)
	return b.compare("envelope: seal 1 MiB, "+name, g, contender{"envelope", func(times int) error {
		for range times {
			if _, err := envelope.Seal(ctx, buf[:0], data, kr, here, envelope.Options{Compression: level}); err != nil {
				return err
			}
		}
		return nil
	}}, peer)
}

func newGCM() (cipher.AEAD, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
