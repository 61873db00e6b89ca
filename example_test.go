package hipaakit_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/dbfailover"
	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/invalidate"
	"github.com/hipaakit/hipaakit/s3store"
)

// The code of these functions stands in README.md; a test holds the two together.

// readSecret reads the 64 hexadecimal digits that the keyring was made with.
func readSecret(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(strings.TrimSpace(string(text)))
}

// openKeyring reads the keyring that 'hipaactl keys init -key-file' made.
func openKeyring(ctx context.Context, file, secretFile string) (*keyring.Keyring, error) {
	secret, err := readSecret(secretFile)
	if err != nil {
		return nil, err
	}
	protector, err := keyring.Raw(keyring.NewSecret(secret))
	if err != nil {
		return nil, err
	}
	return keyring.Open(ctx, keyring.File(file), protector)
}

// openKMSKeyring opens a keyring whose keys AWS KMS protects.
func openKMSKeyring(ctx context.Context, cfg aws.Config, file, keyARN string) (*keyring.Keyring, error) {
	protector, err := awskms.New(kms.NewFromConfig(cfg), keyARN, awskms.Options{Lifetime: time.Hour, Grace: time.Hour})
	if err != nil {
		return nil, err
	}
	return keyring.Open(ctx, keyring.File(file), protector)
}

// rotateAndDestroy is the life of a tenant's key.
func rotateAndDestroy(ctx context.Context, keys *keyring.Keyring, out io.Writer, in io.Reader, here envelope.Binding) error {
	next, err := keys.Rotate(ctx, "tenant-17") // makes the key if there is none
	if err != nil {
		return err
	}
	log.Println("seals from now on:", next)
	if err := envelope.Rewrap(ctx, out, in, keys, keys, here, "tenant-17"); err != nil { // same body, new slot
		return err
	}
	gone, err := keys.Destroy(ctx, "tenant-9") // what only this key opens, nobody opens again
	if err != nil {
		return err
	}
	return gone.Err() // what could not be reached: a cache, an old copy of the keyring
}

// webNode is one of several behind a load balancer.
type webNode struct {
	keys  *keyring.Keyring
	cache *diskcache.Cache
	peers *invalidate.Node
	store *s3store.Store
}

func startNode(ctx context.Context, client *s3.Client, id invalidate.Identity, peers []invalidate.Peer) (n webNode, err error) {
	if n.keys, err = openKeyring(ctx, "/etc/app/keyring.json", "/run/secrets/keyring"); err != nil {
		return n, err
	}
	n.cache, err = diskcache.Open(ctx, "/mnt/instance/cache", diskcache.Options{
		MaxBytes: 500 << 30,
		Keys:     envelope.Wrapper{Keyring: n.keys, Binding: envelope.Binding{Store: "records", Key: "cache key"}},
	})
	if err != nil {
		return n, err
	}
	if n.peers, err = invalidate.New(id, peers, invalidate.Options{}); err != nil {
		return n, err
	}
	n.store, err = s3store.New(client, "my-bucket", "records", n.keys, s3store.Options{Cache: n.cache, Coherence: n.peers})
	if err != nil {
		return n, err
	}
	return n, n.peers.Start(ctx, n.store)
}

func (n webNode) stop(ctx context.Context) error {
	return errors.Join(n.store.Close(), n.peers.Close(ctx), n.cache.Close(), n.keys.Close())
}

// serveScan writes an object to a browser straight from the cache.
func serveScan(store *s3store.Store, w http.ResponseWriter, r *http.Request) {
	object, err := store.Get(r.Context(), "scans/"+r.PathValue("id"))
	switch {
	case errors.Is(err, s3store.ErrNotFound):
		http.Error(w, "no such scan", http.StatusNotFound)
	case err != nil:
		http.Error(w, "not available now", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", object.Metadata["type"])
		w.Header().Set("ETag", object.ETag)
		http.ServeContent(w, r, "", object.Modified, object.Data.Reader())
	}
}

func saveScan(ctx context.Context, store *s3store.Store, id string, scan io.Reader) error {
	_, err := store.Put(ctx, "scans/"+id, scan, s3store.PutOptions{
		Metadata: map[string]string{"type": "application/dicom"}, // sealed as well
	})
	return err
}

func openDatabase(
	roots *x509.CertPool, password func(context.Context) (string, error),
	monitorCredentials func(context.Context, dbfailover.Server) (dbfailover.Credentials, error),
) (*sql.DB, error) {
	connector, err := dbfailover.New(dbfailover.Config{
		Primary:   dbfailover.Server{Addr: "db-a.internal:3306"},
		Secondary: dbfailover.Server{Addr: "db-b.internal:3306"},
		Database:  "clinic",
		TLS:       &tls.Config{RootCAs: roots},
		Topology:  dbfailover.Replicated,
		App: dbfailover.App{
			Name: "clinic", User: "clinic", Schemas: []string{"clinic"},
			Folder:  "/var/lib/clinic", // keeps the epoch
			Monitor: monitorCredentials,
		},
		Credentials: func(ctx context.Context, _ dbfailover.Server) (dbfailover.Credentials, error) {
			secret, err := password(ctx)
			return dbfailover.Credentials{User: "clinic", Password: dbfailover.NewPassword(secret)}, err
		},
	})
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// sealFile encrypts one file for whoever has the keyring.
func sealFile(ctx context.Context, out io.Writer, in io.Reader, keys envelope.Keyring) error {
	w, err := envelope.NewWriter(ctx, out, keys, envelope.Binding{Store: "backups", Key: "2026/11/db.sql"}, envelope.Options{})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	return w.Close() // without it, the envelope opens nowhere
}

// cached shows the cache by itself: a fence is captured before the data is
// fetched, so that what was fetched before a Drop is not kept after it.
func cached(cache *diskcache.Cache, key string, fetch func() ([]byte, string, error)) (diskcache.View, error) {
	if e, err := cache.Get(key); err == nil && !e.Suspect {
		return e.Data, nil
	}
	fence := cache.Fence(key)
	data, version, err := fetch()
	if err != nil {
		return diskcache.View{}, err
	}
	view := diskcache.NewView(data)
	cache.Put(key, view, diskcache.Meta{Version: version}, fence)
	return view, nil
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file, secretFile := filepath.Join(dir, "keyring.json"), filepath.Join(dir, "key.hex")
	if err := os.WriteFile(secretFile, []byte(strings.Repeat("a5", keyring.KeySize)), 0o600); err != nil {
		panic(err)
	}
	secret, err := readSecret(secretFile)
	if err != nil {
		panic(err)
	}
	protector, err := keyring.Raw(keyring.NewSecret(secret))
	if err != nil {
		panic(err)
	}
	if _, err := keyring.Create(ctx, keyring.File(file), protector); err != nil {
		panic(err)
	}
	keys, err := openKeyring(ctx, file, secretFile)
	if err != nil {
		panic(err)
	}
	defer keys.Close()

	var sealed bytes.Buffer
	if err := sealFile(ctx, &sealed, bytes.NewReader([]byte("INSERT INTO patients ...")), keys); err != nil {
		panic(err)
	}
	cache, err := diskcache.Open(ctx, filepath.Join(dir, "cache"), diskcache.Options{})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	for range 2 {
		v, err := cached(cache, "db.sql", func() ([]byte, string, error) {
			fmt.Println("fetching")
			data, _, err := envelope.Open(ctx, nil, sealed.Bytes(), keys, envelope.Binding{Store: "backups", Key: "2026/11/db.sql"})
			return data, "1", err
		})
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", v.Bytes())
	}
	// Output:
	// fetching
	// INSERT INTO patients ...
	// INSERT INTO patients ...
}

// These need servers; that they compile is what is asked of them here.
var _ = []any{startNode, webNode.stop, serveScan, saveScan, openDatabase, openKMSKeyring, rotateAndDestroy}
