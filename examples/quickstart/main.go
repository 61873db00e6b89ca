// Command quickstart runs the main job of hipaakit from end to end, everything
// embedded: an S3 server, two web nodes with caches of their own that invalidate
// each other, two database servers of which one is killed. It checks what it
// sees, prints a table, and exits non-zero if anything was not as promised.
//
//	go run ./quickstart [-data FOLDER]
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

func main() {
	if os.Getenv(childVariable) != "" {
		if err := serveDatabase(); err != nil {
			fmt.Fprintln(os.Stderr, "database server:", err)
			os.Exit(1)
		}
		return
	}
	data := flag.String("data", "", "folder of files to store (default: a small set made here)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ok, err := quickstart(ctx, os.Stdout, *data)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// quickstart is the tour with everything embedded.
func quickstart(ctx context.Context, out io.Writer, data string) (ok bool, err error) {
	ca, err := newAuthority()
	if err != nil {
		return false, err
	}
	server, err := embeddedS3(ca)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, server.closeServer()) }()
	pair, err := embeddedPair(ctx, ca)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, pair.close()) }()
	return tour(ctx, out, data, ca, server, pair)
}

// tour runs every part against the given servers and says whether all was as
// promised.
func tour(ctx context.Context, out io.Writer, data string, ca *authority, server *bucketServer, pair *databasePair) (bool, error) {
	began := time.Now()
	files, err := load(data)
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "hipaakit-quickstart-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	keys, err := newKeyring(ctx, dir)
	if err != nil {
		return false, err
	}
	defer keys.Close()
	r := &report{out: out}
	storage := records{report: r, files: files, cluster: &cluster{ca: ca, s3: server, keys: keys, dir: dir}}
	if err := storage.run(ctx); err != nil {
		return false, err
	}
	if err := (&database{report: r, pair: pair}).run(ctx); err != nil {
		return false, err
	}
	r.table()
	ok := r.verdict()
	fmt.Fprintf(out, "in %s\n", timeText(time.Since(began)))
	return ok, nil
}

// newKeyring makes a keyring under a random key that lives as long as this
// process. A real application keeps that key in a secrets manager, or uses a
// passphrase.
func newKeyring(ctx context.Context, dir string) (*keyring.Keyring, error) {
	secret := make([]byte, keyring.KeySize)
	rand.Read(secret)
	protector, err := keyring.Raw(keyring.NewSecret(secret))
	if err != nil {
		return nil, err
	}
	return keyring.Create(ctx, keyring.File(filepath.Join(dir, "keyring.json")), protector)
}
