package s3store_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/s3store"
)

// An application opens keyring and cache once, and joins them in a store. The
// client comes from aws-sdk-go-v2's config package.
func Example() {
	var client *s3.Client
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	protector, err := keyring.Raw(keyring.NewSecret(bytes.Repeat([]byte{1}, keyring.KeySize)))
	if err != nil {
		panic(err)
	}
	keys, err := keyring.Create(ctx, keyring.File(filepath.Join(dir, "keyring.json")), protector)
	if err != nil {
		panic(err)
	}
	defer keys.Close()
	cache, err := diskcache.Open(ctx, filepath.Join(dir, "cache"), diskcache.Options{
		MaxBytes: 1 << 30,
		Keys:     envelope.Wrapper{Keyring: keys, Binding: envelope.Binding{Store: "records", Key: "cache key"}},
	})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	store, err := s3store.New(client, "bucket", "records", keys, s3store.Options{Cache: cache})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	fmt.Println(store.Stats().Hits)
	// Output: 0
}
