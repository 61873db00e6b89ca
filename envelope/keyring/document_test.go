package keyring

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

func TestKeysCannotBeRenamedInTheDocument(t *testing.T) {
	k, path := testKeyring(t)
	if _, err := k.Rotate(t.Context(), "tenant-7"); err != nil {
		t.Fatal(err)
	}
	doc, _ := os.ReadFile(path)
	renamed := bytes.Replace(doc, []byte("tenant-7"), []byte("tenant-8"), 1)
	os.WriteFile(path, renamed, 0o600)
	if _, err := Open(t.Context(), File(path), testProtector(t, 1)); !errors.Is(err, ErrProtector) {
		t.Fatalf("got %v", err)
	}
}

func TestUnusableDocumentsAreNamed(t *testing.T) {
	_, path := testKeyring(t)
	good, _ := os.ReadFile(path)
	for name, doc := range map[string]string{
		"empty":   "",
		"no JSON": "secret!",
		"version": strings.Replace(string(good), `"version": 1`, `"version": 9`, 1),
		"format":  strings.Replace(string(good), formatName, "something", 1),
		"zero":    strings.Replace(string(good), "\"name\": \"default\",\n      \"version\": 1", "\"name\": \"default\",\n      \"version\": 0", 1),
		"name":    strings.Replace(string(good), `"name": "default"`, `"name": "Jane Doe"`, 1),
		"behind":  string(good) + "}}} and anything",
		"twice":   string(good) + string(good),
		"no keys": `{"format": "hipaakit keyring", "version": 1, "keys": []}`,
		"unknown": strings.Replace(string(good), `"format"`, `"surprise": 1, "format"`, 1),
	} {
		if doc == string(good) {
			t.Fatalf("%s: nothing was changed", name)
		}
		os.WriteFile(path, []byte(doc), 0o600)
		_, err := Open(t.Context(), File(path), testProtector(t, 1))
		if !errors.Is(err, ErrDocument) || strings.Contains(err.Error(), "secret!") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDocumentNeverMixesSecrets puts the document under another secret while a
// keyring is open under the first.
func TestDocumentNeverMixesSecrets(t *testing.T) {
	k, path := testKeyring(t)
	text, _ := os.ReadFile(path)
	d, err := parseDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{9}, KeySize)
	if d.Keys[0].Wrapped, err = testProtector(t, 2).Wrap(t.Context(), envelope.KeyID{Name: envelope.DefaultKey, Version: 1}, key); err != nil {
		t.Fatal(err)
	}
	moved, _ := d.encode()
	os.WriteFile(path, moved, 0o600)
	if _, err := k.Rotate(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrProtector) {
		t.Errorf("got %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, moved) {
		t.Error("the document changed")
	}
	if _, err := Open(t.Context(), File(path), testProtector(t, 2)); err != nil {
		t.Errorf("the new secret: %v", err)
	}
}
