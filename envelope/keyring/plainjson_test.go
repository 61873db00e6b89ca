package keyring

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestDocumentIsReadInOneWayOnly(t *testing.T) {
	k, _ := tenantKeyring(t, testProtector(t, 1))
	mustDestroy(t, k, "tenant")
	b, err := k.current().doc.encode()
	if err != nil {
		t.Fatal(err)
	}
	const stone = `{"name": "zz", "version": 9, "created": "2026-01-01T00:00:00Z", "destroyed": "2026-01-01T00:00:00Z"}`
	for what, change := range map[string][2]string{
		"keys twice":         {`"keys": [`, `"keys": [` + stone + `], "keys": [`},
		"version twice":      {`"version": 1,`, `"version": 7, "version": 1,`},
		"wrapped twice":      {`"wrapped": "`, `"wrapped": "AAAA", "wrapped": "`},
		"other letters":      {`"keys"`, `"KEYS"`},
		"a capital":          {`"name"`, `"Name"`},
		"long s (U+017F)":    {`"keys"`, "\"key\u017f\""},
		"a key's member":     {`"format"`, `"created": "2026-01-01T00:00:00Z", "format"`},
		"null":               {`"destroyed"`, `"wrapped": null, "destroyed"`},
		"a line break":       {`"wrapped": "`, `"wrapped": "\n`},
		"the keys in a hole": {`"keys": [`, `"keys": [null, `},
	} {
		bad := strings.Replace(string(b), change[0], change[1], 1)
		if bad == string(b) {
			t.Fatal(what)
		}
		if _, err := parseDocument([]byte(bad)); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", what, err)
		}
	}
	numbers := regexp.MustCompile(`"check": "[^"]*"`).ReplaceAllString(string(b), `"check": [1, 2, 3]`)
	if _, err := parseDocument([]byte(numbers)); !errors.Is(err, ErrDocument) {
		t.Errorf("bytes as numbers: %v", err)
	}
	swapped := strings.Replace(string(b), `"format": "hipaakit keyring",`, "", 1)
	swapped = strings.TrimRight(swapped, "}\n ") + `, "format": "hipaakit keyring"}`
	if _, err := parseDocument([]byte(swapped)); err != nil {
		t.Errorf("the order of members says nothing: %v", err)
	}
}
