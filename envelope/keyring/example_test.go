package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

func passphrase(text string) keyring.Protector {
	p, err := keyring.Passphrase(keyring.NewSecret([]byte(text)))
	if err != nil {
		log.Fatal(err)
	}
	return p
}

func exampleKeyring(ctx context.Context) (*keyring.Keyring, func()) {
	dir, err := os.MkdirTemp("", "keyring")
	if err != nil {
		log.Fatal(err)
	}
	kr, err := keyring.Create(ctx, keyring.File(filepath.Join(dir, "keyring.json")), passphrase("correct horse battery staple"))
	if err != nil {
		log.Fatal(err)
	}
	return kr, func() { errors.Join(kr.Close(), os.RemoveAll(dir)) }
}

// A tenant leaves. What was sealed under its key alone is unreadable afterwards,
// wherever copies of it are.
func ExampleKeyring_Destroy() {
	ctx := context.Background()
	kr, done := exampleKeyring(ctx)
	defer done()
	if _, err := kr.Rotate(ctx, "tenant-7"); err != nil {
		log.Fatal(err)
	}
	b := envelope.Binding{Store: "records", Key: "report"}
	sealed, err := envelope.Seal(ctx, nil, []byte("ECG"), kr, b, envelope.Options{Keys: []string{"tenant-7"}})
	if err != nil {
		log.Fatal(err)
	}

	// An application drops the tenant's cache entries here, on this machine and,
	// with an answer, on the others.
	kr.Follow(func(_ context.Context, destroyed []envelope.KeyID) error {
		fmt.Println("dropping what was cached under", destroyed)
		return nil
	})
	d, err := kr.Destroy(ctx, "tenant-7")
	if err != nil {
		log.Fatal(err) // nothing was destroyed
	}
	if err := d.Err(); err != nil {
		log.Print(err) // destroyed, but try again later for what was not reached
	}

	_, _, err = envelope.Open(ctx, nil, sealed, kr, b)
	fmt.Println(errors.Is(err, envelope.ErrKeyDestroyed))
	// Output:
	// dropping what was cached under [tenant-7/1]
	// true
}

// A backup lies under a passphrase that is kept in a safe, not with the keyring's
// own secret.
func ExampleKeyring_Export() {
	ctx := context.Background()
	kr, done := exampleKeyring(ctx)
	defer done()
	backup, err := kr.Export(ctx, passphrase("a sentence on paper, in a safe"))
	if err != nil {
		log.Fatal(err)
	}

	dir, err := os.MkdirTemp("", "restored")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	restored, err := keyring.Restore(ctx, keyring.File(filepath.Join(dir, "keyring.json")),
		passphrase("another horse, another staple"), backup, passphrase("a sentence on paper, in a safe"))
	if err != nil {
		log.Fatal(err)
	}
	defer restored.Close()
	fmt.Println(restored.Latest(ctx, envelope.DefaultKey))
	// Output:
	// default/1 <nil>
}
