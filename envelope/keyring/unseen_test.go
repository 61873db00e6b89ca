package keyring

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// leaks says whether text has key in it, in any way in which fmt writes bytes.
func leaks(text string, key []byte) bool {
	for _, form := range []string{
		strings.Trim(fmt.Sprint(key), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", key), "[]byte{"), "}"),
		string(key),
		hex.EncodeToString(key),
		strings.ToUpper(hex.EncodeToString(key)),
	} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// printed is v as careless programs print it: by itself, in a struct, where fmt
// finds its methods or not, and logged.
func printed(v any) string {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", struct{ V any }{v})
		fmt.Fprintf(&out, verb+"\n", struct{ v any }{v})
		fmt.Fprintf(&out, verb+"\n", []any{v, &v})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("opened", "v", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("opened", "v", v)
	json.NewEncoder(&out).Encode(v)
	return out.String()
}

func TestProtectorNeverPrintsItsStretchedKey(t *testing.T) {
	p, err := Passphrase(NewSecret([]byte("correct horse battery")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wrap(t.Context(), id(1), bytes.Repeat([]byte{9}, KeySize)); err != nil {
		t.Fatal(err)
	}
	if leaks(printed(p), p.(*passphrase).own.key()) {
		t.Error("printed")
	}
	if leaks(printed(&p.(*passphrase).own), p.(*passphrase).own.key()) {
		t.Error("printed where fmt gets at the struct")
	}
}

func TestKeyringNeverPrintsItsKeys(t *testing.T) {
	eachProtector(t, func(t *testing.T, p Protector) {
		k, _ := tenantKeyring(t, p)
		key := heldKey(k, id(1))
		if leaks(printed(k), key) || leaks(printed(k.keys), key) || leaks(printed(k.keys[id(1)]), key) {
			t.Error("printed")
		}
		if !leaks(printed(struct{ Key []byte }{key}), key) {
			t.Error("the test would not find it")
		}
	})
}
