package awskms_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// An application makes its keyring once, by a tool, and opens it in every process.
func Example() {
	ctx := context.Background()
	fake := newFakeKMS()
	keyARN := fake.create("us-east-1", "111122223333", "mrk-1234abcd12ab34cd56ef1234567890ab")
	client := fake.direct("us-east-1") // in an application: kms.NewFromConfig(cfg)

	protector, err := awskms.New(client, keyARN, awskms.Options{
		EncryptionContext: map[string]string{"application": "records", "stage": "production"},
	})
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "keyring")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	storage := keyring.File(filepath.Join(dir, "keyring.json"))

	// Once.
	created, err := keyring.Create(ctx, storage, protector)
	if err != nil {
		panic(err)
	}
	created.Close()

	// In every process.
	kr, err := keyring.Open(ctx, storage, protector)
	if err != nil {
		panic(err)
	}
	defer kr.Close()
	here := envelope.Binding{Store: "records", Key: "patients/17"}
	sealed, err := envelope.Seal(ctx, nil, []byte("blood pressure 120/80"), kr, here, envelope.Options{})
	if err != nil {
		panic(err)
	}
	data, _, err := envelope.Open(ctx, nil, sealed, kr, here)
	fmt.Printf("%s, %v\n", data, err)
	// Output: blood pressure 120/80, <nil>
}
