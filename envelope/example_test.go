package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// newKeyring makes a keyring in a temporary folder. An application keeps its
// own in one place and opens it with keyring.Open.
func newKeyring(ctx context.Context) (kr *keyring.Keyring, remove func(), err error) {
	dir, err := os.MkdirTemp("", "keyring")
	if err != nil {
		return nil, nil, err
	}
	protector, err := keyring.Raw(keyring.NewSecret(bytes.Repeat([]byte{1}, keyring.KeySize)))
	if err != nil {
		return nil, nil, err
	}
	kr, err = keyring.Create(ctx, keyring.File(filepath.Join(dir, "keyring.json")), protector)
	return kr, func() { os.RemoveAll(dir) }, err
}

func ExampleSeal() {
	ctx := context.Background()
	kr, remove, err := newKeyring(ctx)
	if err != nil {
		panic(err)
	}
	defer remove()
	here := envelope.Binding{Store: "records", Key: "patients/17"}
	sealed, err := envelope.Seal(ctx, nil, []byte("blood pressure 120/80"), kr, here, envelope.Options{})
	if err != nil {
		panic(err)
	}
	data, _, err := envelope.Open(ctx, nil, sealed, kr, here)
	fmt.Printf("%s, %v\n", data, err)

	there := envelope.Binding{Store: "records", Key: "patients/18"}
	_, _, err = envelope.Open(ctx, nil, sealed, kr, there)
	fmt.Println("under another name:", errors.Is(err, envelope.ErrCorrupt))
	// Output:
	// blood pressure 120/80, <nil>
	// under another name: true
}

func ExampleNewWriter() {
	ctx := context.Background()
	kr, remove, err := newKeyring(ctx)
	if err != nil {
		panic(err)
	}
	defer remove()
	b := envelope.Binding{Store: "records", Key: "scans/1"}
	var file bytes.Buffer
	w, err := envelope.NewWriter(ctx, &file, kr, b, envelope.Options{Metadata: map[string]string{"modality": "MR"}})
	if err != nil {
		panic(err)
	}
	fmt.Fprint(w, "pixels")
	if err := w.Close(); err != nil { // only Close completes the envelope
		panic(err)
	}
	r, err := envelope.NewReader(ctx, &file, kr, b)
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(r)
	fmt.Println(r.Info().Metadata["modality"], string(data), err)
	// Output: MR pixels <nil>
}

func ExampleNewReaderAt() {
	ctx := context.Background()
	kr, remove, err := newKeyring(ctx)
	if err != nil {
		panic(err)
	}
	defer remove()
	b := envelope.Binding{Store: "records", Key: "scans/1"}
	sealed, err := envelope.Seal(ctx, nil, []byte("header, pixels, trailer"), kr, b, envelope.Options{})
	if err != nil {
		panic(err)
	}
	r, err := envelope.NewReaderAt(ctx, bytes.NewReader(sealed), int64(len(sealed)), kr, b)
	if err != nil {
		panic(err)
	}
	pixels := make([]byte, 6)
	_, err = r.ReadAt(pixels, 8)
	fmt.Printf("%s of %d bytes, %v\n", pixels, r.Size(), err)
	// Output: pixels of 23 bytes, <nil>
}
