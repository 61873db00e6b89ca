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

// The header alone tells what is there, before any of the data is read.
func ExampleNewReader() {
	ctx := context.Background()
	kr, remove, err := newKeyring(ctx)
	if err != nil {
		panic(err)
	}
	defer remove()
	b := envelope.Binding{Store: "records", Key: "scans/1"}
	sealed, err := envelope.Seal(ctx, nil, []byte("pixels"), kr, b, envelope.Options{
		Name: "knee, left", Metadata: map[string]string{"modality": "MR"},
	})
	if err != nil {
		panic(err)
	}
	r, err := envelope.NewReader(ctx, bytes.NewReader(sealed), kr, b)
	if err != nil {
		panic(err)
	}
	i := r.Info()
	fmt.Printf("%s: %s of %d bytes, opened by %v\n", i.Name, i.Metadata["modality"], i.Size, i.Key)
	data, err := io.ReadAll(r) // only without an error is it all of the data
	fmt.Println(string(data), err)
	// Output:
	// knee, left: MR of 6 bytes, opened by default/1
	// pixels <nil>
}

// Two reports of different length become envelopes of one length. The size must be
// known beforehand, as nothing else tells where padding begins.
func ExampleNewWriter_padded() {
	ctx := context.Background()
	kr, remove, err := newKeyring(ctx)
	if err != nil {
		panic(err)
	}
	defer remove()
	for _, n := range []int{10_100, 10_200} {
		var file bytes.Buffer
		w, err := envelope.NewWriter(ctx, &file, kr, envelope.Binding{Store: "records", Key: "reports/1"}, envelope.Options{
			Pad: true, Compression: envelope.CompressNone, Size: int64(n),
		})
		if err != nil {
			panic(err)
		}
		w.Write(make([]byte, n)) // its error is repeated by Close
		if err := w.Close(); err != nil {
			panic(err)
		}
		fmt.Println(n, "bytes become", file.Len())
	}
	// Output:
	// 10100 bytes become 10596
	// 10200 bytes become 10596
}

// After a rotation new envelopes are sealed under the new version. Rewrap moves the
// old ones, without touching the data.
func ExampleRewrap() {
	ctx := context.Background()
	kr, remove, err := newKeyring(ctx)
	if err != nil {
		panic(err)
	}
	defer remove()
	b := envelope.Binding{Store: "records", Key: "patients/17"}
	sealed, err := envelope.Seal(ctx, nil, []byte("blood pressure 120/80"), kr, b, envelope.Options{})
	if err != nil {
		panic(err)
	}
	if _, err := kr.Rotate(ctx, envelope.DefaultKey); err != nil {
		panic(err)
	}
	var moved bytes.Buffer
	if err := envelope.Rewrap(ctx, &moved, bytes.NewReader(sealed), kr, kr, b); err != nil {
		panic(err)
	}
	_, before, err := envelope.Open(ctx, nil, sealed, kr, b)
	if err != nil {
		panic(err)
	}
	data, after, err := envelope.Open(ctx, nil, moved.Bytes(), kr, b)
	fmt.Println(before.Key, "to", after.Key, "same id:", before.ID == after.ID)
	fmt.Println(string(data), err)
	// Output:
	// default/1 to default/2 same id: true
	// blood pressure 120/80 <nil>
}

// Each of several keys opens the envelope. When the tenant's is destroyed, who keeps
// the key for emergencies still opens it.
func ExampleOptions_keys() {
	ctx := context.Background()
	kr, remove, err := newKeyring(ctx)
	if err != nil {
		panic(err)
	}
	defer remove()
	for _, name := range []string{"tenant-7", "emergency"} {
		if _, err := kr.Rotate(ctx, name); err != nil { // makes its first version
			panic(err)
		}
	}
	b := envelope.Binding{Store: "records", Key: "patients/17"}
	o := envelope.Options{Keys: []string{"tenant-7", "emergency"}}
	sealed, err := envelope.Seal(ctx, nil, []byte("blood group 0"), kr, b, o)
	if err != nil {
		panic(err)
	}
	_, info, err := envelope.Open(ctx, nil, sealed, kr, b)
	fmt.Println(info.Keys, "opened by", info.Key, err)

	if _, err := kr.Destroy(ctx, "tenant-7"); err != nil {
		panic(err)
	}
	data, info, err := envelope.Open(ctx, nil, sealed, kr, b)
	fmt.Println(string(data), "opened by", info.Key, err)
	// Output:
	// [tenant-7/1 emergency/1] opened by tenant-7/1 <nil>
	// blood group 0 opened by emergency/1 <nil>
}
