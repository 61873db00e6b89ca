package diskcache_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/hipaakit/hipaakit/diskcache"
)

// keyring stands for the application's: it wraps the cache key.
type keyring struct{ aead cipher.AEAD }

func (k keyring) WrapKey(_ context.Context, key []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, key, []byte("cache key")), nil
}

func (k keyring) UnwrapKey(_ context.Context, wrapped []byte) ([]byte, error) {
	return k.aead.Open(nil, nil, wrapped, []byte("cache key"))
}

func newKeyring() keyring {
	block, err := aes.NewCipher(make([]byte, 32)) // an example's key, nobody's else
	if err != nil {
		log.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		log.Fatal(err)
	}
	return keyring{aead}
}

func folder() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "diskcache")
	if err != nil {
		log.Fatal(err)
	}
	return filepath.Join(dir, "cache"), func() { os.RemoveAll(dir) }
}

func Example() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()
	cache, err := diskcache.Open(ctx, dir, diskcache.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	fence := cache.Fence("reports/7") // before the fetch
	data := []byte("what the fetch returned")
	err = cache.Put("reports/7", diskcache.NewView(data), diskcache.Meta{Version: `"etag"`}, fence)
	if err != nil {
		log.Fatal(err)
	}

	e, err := cache.Get("reports/7")
	if err != nil {
		log.Fatal(err)
	}
	e.Data.WriteTo(os.Stdout)
	fmt.Println()
	fmt.Println(e.Version, e.Data.Len(), "bytes, suspect:", e.Suspect)
	// Output:
	// what the fetch returned
	// "etag" 23 bytes, suspect: false
}

// A slow fetch must not put back what has been dropped meanwhile.
func ExampleCache_Fence() {
	dir, remove := folder()
	defer remove()
	cache, err := diskcache.Open(context.Background(), dir, diskcache.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	fence := cache.Fence("reports/7")
	old := diskcache.NewView([]byte("fetched a while ago"))
	cache.Drop("reports/7") // another node has written

	err = cache.Put("reports/7", old, diskcache.Meta{}, fence)
	fmt.Println(errors.Is(err, diskcache.ErrFenced))
	_, err = cache.Get("reports/7")
	fmt.Println(errors.Is(err, diskcache.ErrMiss))
	// Output:
	// true
	// true
}

// A restarted process finds its entries, and confirms each before it uses it.
func ExampleCache_Confirm() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()
	options := diskcache.Options{Keys: newKeyring()}
	cache, err := diskcache.Open(ctx, dir, options)
	if err != nil {
		log.Fatal(err)
	}
	fence := cache.Fence("reports/7")
	if err := cache.Put("reports/7", diskcache.NewView([]byte("data")), diskcache.Meta{Version: "v1"}, fence); err != nil {
		log.Fatal(err)
	}
	cache.Close()

	cache, err = diskcache.Open(ctx, dir, options)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	e, err := cache.Get("reports/7")
	fmt.Println(err, e.Suspect)

	fence = cache.Fence("reports/7") // then ask the source, which says "v1"
	fmt.Println(cache.Confirm("reports/7", "v1", fence))
	e, err = cache.Get("reports/7")
	fmt.Println(err, e.Suspect)
	// Output:
	// <nil> true
	// true
	// <nil> false
}

// An upload that also fills the cache: the version is known only once it is over.
func ExampleCache_Create() {
	dir, remove := folder()
	defer remove()
	cache, err := diskcache.Open(context.Background(), dir, diskcache.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	key := "images/1.dcm"
	cache.Revoke(key) // fetches under way are of what was before
	fence := cache.Fence(key)
	upload := strings.NewReader("a large image")
	w, err := cache.Create(key, upload.Size(), fence)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	server := io.Discard
	if _, err := io.Copy(io.MultiWriter(server, w), upload); err != nil {
		log.Fatal(err)
	}
	if err := w.Commit(diskcache.Meta{Version: `"etag"`}); err != nil {
		log.Fatal(err)
	}

	r, err := cache.Open(key)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	part := make([]byte, 5)
	if _, err := r.ReadAt(part, 8); err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Size(), string(part), r.Info().Version)
	// Output: 13 image "etag"
}
