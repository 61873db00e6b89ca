package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
	wrapped := regexp.MustCompile(`"wrapped": "[^"]*"`)
	for name, doc := range map[string]string{
		"empty":    "",
		"no JSON":  "secret!",
		"version":  strings.Replace(string(good), `"version": 1`, `"version": 9`, 1),
		"format":   strings.Replace(string(good), formatName, "something", 1),
		"zero":     strings.Replace(string(good), "\"name\": \"default\",\n      \"version\": 1", "\"name\": \"default\",\n      \"version\": 0", 1),
		"name":     strings.Replace(string(good), `"name": "default"`, `"name": "Jane Doe"`, 1),
		"behind":   string(good) + "}}} and anything",
		"twice":    string(good) + string(good),
		"no keys":  `{"format": "hipaakit keyring", "version": 1, "check": "AAAA", "keys": []}`,
		"no check": regexp.MustCompile(`"check": "[^"]*"`).ReplaceAllString(string(good), `"check": ""`),
		"neither":  wrapped.ReplaceAllString(string(good), `"created": "2026-01-01T00:00:00Z"`),
		"both":     wrapped.ReplaceAllString(string(good), `$0, "destroyed": "2026-01-01T00:00:00Z"`),
		"never":    wrapped.ReplaceAllString(string(good), `"destroyed": "0001-01-01T00:00:00Z"`),
		"unknown":  strings.Replace(string(good), `"format"`, `"surprise": 1, "format"`, 1),
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
	if d, err = d.rewrap(t.Context(), k.plain, testProtector(t, 2)); err != nil {
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

// TestNameIsDestroyedAsAWholeOrNot: of a document in which only the newest version
// is destroyed nobody could say whether the name may be used.
func TestNameIsDestroyedAsAWholeOrNot(t *testing.T) {
	wrapped := make([]byte, 61)
	entry := func(name string, version uint32, destroyed bool) keyEntry {
		e := keyEntry{Name: name, Version: version, Wrapped: wrapped}
		if destroyed {
			e.Wrapped, e.Destroyed = nil, time.Unix(1, 0)
		}
		return e
	}
	for what, test := range map[string]struct {
		keys []keyEntry
		half bool
	}{
		"all":              {[]keyEntry{entry("a", 1, true), entry("a", 2, true), entry("b", 1, false)}, false},
		"the old":          {[]keyEntry{entry("a", 1, true), entry("a", 2, false)}, false},
		"the newest":       {[]keyEntry{entry("a", 1, false), entry("a", 2, true)}, true},
		"all but a middle": {[]keyEntry{entry("a", 1, true), entry("a", 2, false), entry("a", 3, true)}, true},
		"neighbours":       {[]keyEntry{entry("a", 1, false), entry("b", 1, true), entry("c", 1, false)}, false},
		"the last name":    {[]keyEntry{entry("a", 1, true), entry("b", 1, false), entry("b", 2, true)}, true},
	} {
		b, err := document{Format: formatName, Version: formatVersion, Check: wrapped, Keys: test.keys}.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseDocument(b); errors.Is(err, ErrDocument) != test.half {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDocumentThatNobodyCouldReadIsNotSaved(t *testing.T) {
	k, path := testKeyring(t)
	d := k.current().doc
	d.Keys = slices.Clone(d.Keys)
	d.Keys[0].Wrapped = make([]byte, maxDocument/4*3)
	before, _ := os.ReadFile(path)
	if err := k.save(t.Context(), k.current(), d, nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the document changed")
	}
}

// FuzzDocument: whatever parses is written back as the same, and opens to nobody
// without the secret.
func FuzzDocument(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 4 {
		f.Fatalf("%d seeds, %v", len(files), err)
	}
	for _, file := range files {
		seed, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	stranger := testProtector(f, 99)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDocument(b)
		if err != nil {
			if !errors.Is(err, ErrDocument) {
				t.Fatal(err)
			}
			return
		}
		again, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		if d2, err := parseDocument(again); err != nil || d.follows(d2) != nil || d2.follows(d) != nil {
			t.Errorf("written back as another document: %v", err)
		}
		if _, err := Open(t.Context(), golden{b}, stranger); !errors.Is(err, ErrProtector) {
			t.Errorf("opened without the secret: %v", err)
		}
	})
}
