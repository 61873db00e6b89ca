package envelope

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// testKeys is a keyring in memory: the key of name/version is a digest of it.
type testKeys map[string]uint32 // latest version of each name

func (k testKeys) Latest(_ context.Context, name string) (KeyID, error) {
	if v := k[name]; v > 0 {
		return KeyID{name, v}, nil
	}
	return KeyID{}, ErrKeyUnknown
}

func (k testKeys) Derive(_ context.Context, id KeyID, info []byte) (out [DerivedKeySize]byte, err error) {
	if id.Version == 0 || id.Version > k[id.Name] {
		return out, ErrKeyUnknown
	}
	key := sha512.Sum512_256([]byte(id.String()))
	derived, err := hkdf.Expand(sha512.New384, key[:], string(info), DerivedKeySize)
	copy(out[:], derived)
	return out, err
}

var (
	testRing    = testKeys{DefaultKey: 2, "tenant": 1}
	testBinding = Binding{Store: "records", Key: "patients/17"}
)

// text is data that compresses, noise is data that does not.
func text(n int) []byte {
	const line = `{"resourceType":"Observation","status":"final","value":%d},` + "\n"
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, line, i*7919%1000)
	}
	return []byte(b.String()[:n])
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func mustSeal(t testing.TB, data []byte, o Options) []byte {
	t.Helper()
	sealed, err := Seal(t.Context(), nil, data, testRing, testBinding, o)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func open(t testing.TB, sealed []byte) ([]byte, error) {
	t.Helper()
	data, _, err := Open(t.Context(), nil, sealed, testRing, testBinding)
	if err != nil && len(data) > 0 {
		t.Fatal("Open returned data with an error")
	}
	return data, err
}

// mustRefuse demands an error that answers a question, and no data.
func mustRefuse(t testing.TB, what string, sealed []byte) {
	t.Helper()
	if _, err := open(t, sealed); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrKeyUnknown) {
		t.Fatalf("%s: %v", what, err)
	}
}

var levels = map[string]Compression{
	"fast": CompressFast, "default": CompressDefault, "better": CompressBetter, "best": CompressBest, "none": CompressNone,
}

func equal(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes that differ from the %d expected", what, len(got), len(want))
	}
}
