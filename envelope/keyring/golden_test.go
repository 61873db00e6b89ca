package keyring

import (
	"bytes"
	"context"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha512"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

// golden is a document of testdata, which its README describes.
type golden struct{ doc []byte }

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return golden{doc}
}

func (g golden) Load(context.Context) ([]byte, string, error) { return g.doc, revisionOf(g.doc), nil }

func (g golden) Save(context.Context, []byte, string) error {
	return errors.New("golden documents stay as they are")
}

func goldenProtector(t *testing.T, protect func(*Secret) (Protector, error), secret []byte) Protector {
	t.Helper()
	p, err := protect(NewSecret(secret))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var goldenRaw = bytes.Repeat([]byte{0x42}, KeySize)

// TestGoldenDocumentsOpen opens documents of version 1 as another program wrote
// them when the format was fixed.
func TestGoldenDocumentsOpen(t *testing.T) {
	passphrase := []byte("correct horse battery staple")
	for name, p := range map[string]Protector{
		"raw.json":      goldenProtector(t, Raw, bytes.Clone(goldenRaw)),
		"argon2id.json": goldenProtector(t, Passphrase, bytes.Clone(passphrase)),
		"pbkdf2.json":   goldenProtector(t, Passphrase, bytes.Clone(passphrase)),
	} {
		k, err := Open(t.Context(), readGolden(t, name), p)
		if name == "argon2id.json" && fips140.Enforced() {
			if !errors.Is(err, ErrProtector) {
				t.Errorf("%s: opened by a function that is not approved: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer k.Close()
		holdsGoldenKeys(t, name, k)
	}
}

func holdsGoldenKeys(t *testing.T, name string, k *Keyring) {
	t.Helper()
	ids, created := k.Keys()
	if !slices.Equal(ids, []envelope.KeyID{id(1), id(2), keyID("tenant-7", 2)}) || created[0].Year() != 2026 {
		t.Errorf("%s: keys %v", name, ids)
	}
	for _, id := range ids {
		key := sha512.Sum512_256([]byte(id.String()))
		want, err := hkdf.Expand(sha512.New384, key[:], "info", envelope.DerivedKeySize)
		if got := mustDerive(t, k, id); err != nil || !bytes.Equal(got[:], want) {
			t.Errorf("%s: %v is another key", name, id)
		}
	}
	stones, destroyed := k.Tombstones()
	if !slices.Equal(stones, []envelope.KeyID{keyID("tenant-7", 1), keyID("tenant-8", 1)}) || destroyed[0].Month() != 2 {
		t.Errorf("%s: tombstones %v", name, stones)
	}
}

func TestGoldenDocumentOfTombstonesOpensToItsSecretAlone(t *testing.T) {
	g := readGolden(t, "empty.json")
	k, err := Open(t.Context(), g, goldenProtector(t, Raw, bytes.Clone(goldenRaw)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Latest(t.Context(), envelope.DefaultKey); !errors.Is(err, envelope.ErrKeyDestroyed) {
		t.Error(err)
	}
	if _, err := Open(t.Context(), g, testProtector(t, 2)); !errors.Is(err, ErrProtector) {
		t.Error(err)
	}
}

// TestDocumentsHaveOneForm: what another program wrote is written the same way.
func TestDocumentsHaveOneForm(t *testing.T) {
	for _, name := range []string{"raw.json", "empty.json"} {
		g := readGolden(t, name)
		d, err := parseDocument(g.doc)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := d.encode(); err != nil || !bytes.Equal(again, g.doc) {
			t.Errorf("%s: %s", name, again)
		}
	}
}
