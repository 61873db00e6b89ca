package s3test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/s3store"
)

type keys = keyring.Keyring

func (c Config) env(t testing.TB, versioned bool) *env {
	t.Helper()
	e := &env{ctx: t.Context(), t: t}
	e.client, e.bucket = c.Bucket(t, versioned)
	p, err := keyring.Raw(keyring.NewSecret(bytes.Repeat([]byte{3}, keyring.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	if e.keys, err = keyring.Create(e.ctx, keyring.File(filepath.Join(t.TempDir(), "keyring")), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.keys.Close() })
	cache, err := diskcache.Open(e.ctx, t.TempDir(), diskcache.Options{MaxBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	e.store = e.open(s3store.Options{Cache: cache})
	e.plain = e.open(s3store.Options{})
	return e
}

func (e *env) open(o s3store.Options) *s3store.Store {
	e.t.Helper()
	s, err := s3store.New(e.client, e.bucket, "suite", e.keys, o)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { s.Close() })
	return s
}

func (e *env) put(key string, data []byte, o s3store.PutOptions) (s3store.Info, error) {
	i, err := e.store.Put(e.ctx, key, stream{bytes.NewReader(data)}, o)
	if err != nil {
		return i, fmt.Errorf("put: %w", err)
	}
	return i, nil
}

// stream hides the length.
type stream struct{ io.Reader }

// holds reads an object in every way, through the cache and past it. nil: there is
// none. A large one is read once.
func (e *env) holds(key string, want []byte) error {
	stores := []*s3store.Store{e.store, e.plain}
	if len(want) > 8<<20 {
		stores = stores[1:]
	}
	for _, s := range stores {
		o, err := s.Get(e.ctx, key)
		if want == nil {
			if !errors.Is(err, s3store.ErrNotFound) {
				return fmt.Errorf("get of nothing: %w", err)
			}
			continue
		}
		if err != nil || !bytes.Equal(o.Data.Bytes(), want) {
			return fmt.Errorf("got %d bytes, want %d (or others): %w", o.Data.Len(), len(want), err)
		}
		file, err := s.Open(e.ctx, key)
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		got, err := io.ReadAll(file)
		if closed := file.Close(); err != nil || closed != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("read %d bytes, want %d: %w", len(got), len(want), err)
		}
	}
	if want == nil {
		return nil
	}
	i, err := e.plain.Stat(e.ctx, key)
	return first(err, wrong(i.Size == int64(len(want)), "stat says %d bytes, want %d", i.Size, len(want)))
}

// noise is data that does not compress.
func noise(n int, seed string) []byte {
	b := make([]byte, n)
	rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(b)
	return b
}

func (e *env) rotate() error {
	_, err := e.keys.Rotate(e.ctx, envelope.DefaultKey)
	return err
}
