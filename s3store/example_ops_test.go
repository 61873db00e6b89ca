package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/s3store"
)

// An image of any size is served in ranges, as the browser asks for them, and each
// range is verified.
func ExampleStore_Open() {
	var store *s3store.Store // of New
	http.HandleFunc("/scan", func(w http.ResponseWriter, r *http.Request) {
		file, err := store.Open(r.Context(), "scans/17.dcm")
		switch {
		case errors.Is(err, s3store.ErrNotFound):
			http.NotFound(w, r)
			return
		case err != nil:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		defer file.Close()
		http.ServeContent(w, r, "17.dcm", file.Info().Modified, file)
	})
}

// Two nodes may change the same record: who comes second is told, and begins anew.
func ExamplePutOptions() {
	var store *s3store.Store // of New
	change := func(ctx context.Context, key string, edit func([]byte) []byte) error {
		for {
			old, err := store.Get(ctx, key)
			if err != nil {
				return err
			}
			changed := edit(old.Data.Bytes())
			_, err = store.Put(ctx, key, bytes.NewReader(changed), s3store.PutOptions{IfMatch: old.ETag, Metadata: old.Metadata})
			if !errors.Is(err, s3store.ErrChanged) {
				return err
			}
		}
	}
	_ = change
}

// A file of unknown length is uploaded as it is read.
func ExampleStore_Put() {
	var store *s3store.Store // of New
	upload := func(ctx context.Context, path string) error {
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = store.Put(ctx, "scans/17.dcm", in, s3store.PutOptions{
			IfAbsent: true,
			Progress: func(p s3store.Progress) { fmt.Printf("%d of %d bytes\n", p.Data, p.Size) },
		})
		return err
	}
	_ = upload
}

// What was deleted by mistake is brought back, if the bucket keeps versions.
func ExampleStore_Restore() {
	var store *s3store.Store // of New
	undelete := func(ctx context.Context, key string) error {
		for v, err := range store.Versions(ctx, key) {
			if err != nil {
				return err
			}
			if !v.Deleted {
				_, err := store.Restore(ctx, key, v.ID)
				return err
			}
		}
		return s3store.ErrNotFound
	}
	_ = undelete
}

// Once a day, one of the nodes removes what crashes left behind.
func ExampleStore_CleanUploads() {
	var store *s3store.Store // of New
	tidy := func(ctx context.Context) error {
		n, err := store.CleanUploads(ctx, 48*time.Hour)
		fmt.Printf("%d uploads removed\n", n)
		return err
	}
	_ = tidy
}

// All nodes open the keyring from the bucket.
func ExampleKeyringObject() {
	var client *s3.Client // of aws-sdk-go-v2's config package
	open := func(ctx context.Context, p keyring.Protector) (*keyring.Keyring, error) {
		return keyring.Open(ctx, s3store.KeyringObject(client, "keys", "records/keyring.json", s3store.ServerSideEncryption{}), p)
	}
	_ = open
}
