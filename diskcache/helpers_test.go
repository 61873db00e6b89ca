package diskcache

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testKeys wraps under a fixed key, as a keyring shared by two processes does.
type testKeys struct{ id byte }

func (k testKeys) aead() cipher.AEAD {
	block, err := aes.NewCipher(append(make([]byte, 31), k.id))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func (k testKeys) WrapKey(_ context.Context, key []byte) ([]byte, error) {
	return k.aead().Seal(nil, nil, key, nil), nil
}

func (k testKeys) UnwrapKey(_ context.Context, wrapped []byte) ([]byte, error) {
	return k.aead().Open(nil, nil, wrapped, nil)
}

// open4test opens a cache that is closed when the test ends, if the test has
// not done so. Without a Logger, it logs nothing.
func open4test(t testing.TB, dir string, o Options) *Cache {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	<-c.Loaded()
	return c
}

func mustPut(t testing.TB, c *Cache, key string, data View, version string) {
	t.Helper()
	if err := c.Put(key, data, Meta{Version: version}, c.Fence(key)); err != nil {
		t.Fatal(err)
	}
}

// long reports whether the long form of a test was asked for, with as many rounds of
// kills as should be made; see kill_test.go.
func long() bool { return os.Getenv(killRounds) != "" }

// content is the only right content of version n of key, of size bytes: for
// even n text that compresses well, for odd n noise. Both depend on all three,
// so that bytes of another entry can never pass for it.
func content(key string, n, size int) []byte {
	line := fmt.Sprintf("%s|%d|%d;", key, n, size)
	if n%2 == 0 {
		return []byte(strings.Repeat(line, size/len(line)+1)[:size])
	}
	data := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(line))).Read(data)
	return data
}

func is(e Entry, want []byte) bool { return bytes.Equal(e.Data.Bytes(), want) }

// wantMiss fails unless key is a miss.
func wantMiss(t testing.TB, c *Cache, key string) {
	t.Helper()
	if e, err := c.Get(key); !errors.Is(err, ErrMiss) {
		t.Fatalf("Get(%q) = %v, %v; want a miss", key, e, err)
	}
}

// wantHit fails unless key is a hit with exactly this content.
func wantHit(t testing.TB, c *Cache, key string, want []byte) Entry {
	t.Helper()
	e, err := c.Get(key)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	if !is(e, want) {
		t.Fatalf("Get(%q) returned %d bytes that are not the %d stored", key, e.Data.Len(), len(want))
	}
	return e
}

// newDir names a folder that does not exist yet.
func newDir(t testing.TB) string { return filepath.Join(t.TempDir(), "cache") }

// reopen closes c and opens its folder again.
func reopen(t testing.TB, c *Cache, dir string, o Options) *Cache {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return open4test(t, dir, o)
}

// onDisk reads all files of a folder.
func onDisk(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// writeFolder makes a folder with these files.
func writeFolder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "copy")
	if err != nil {
		t.Fatal(err)
	}
	refill(t, dir, files)
	return dir
}

// refill makes the folder hold these files and no other. It costs less than a new
// folder, of which the damage tests would need thousands.
func refill(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := files[e.Name()]; !ok {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// logTo returns a logger and what it has logged.
func logTo() (*slog.Logger, *bytes.Buffer) {
	var buf bytes.Buffer
	return slog.New(slog.NewTextHandler(&buf, nil)), &buf
}

// draftOf is what Put makes of a key before it has a place.
func (c *Cache) draftOf(key string) *record {
	return &record{hash: c.hash(key), stored: c.ages.now(), key: []byte(key)}
}
