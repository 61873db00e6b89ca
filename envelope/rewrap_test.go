package envelope

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

func rewrapped(t testing.TB, sealed []byte, from, to Keyring, keys ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Rewrap(t.Context(), &out, bytes.NewReader(sealed), from, to, testBinding, keys...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRewrapMovesToOtherKeysAndLeavesTheBody(t *testing.T) {
	data := text(300_000)
	sealed := mustSeal(t, data, Options{Name: "n", Metadata: map[string]string{"k": "v"}})
	other := testKeys{"elsewhere": 1, "tenant": 1}
	moved := rewrapped(t, sealed, testRing, other, "elsewhere", "tenant")

	got, info, err := Open(t.Context(), nil, moved, other, testBinding)
	if err != nil || info.Name != "n" || info.Metadata["k"] != "v" || info.Key != (KeyID{"elsewhere", 1}) || len(info.Keys) != 2 {
		t.Fatalf("%+v, %v", info, err)
	}
	equal(t, "data", got, data)
	if _, _, err := Open(t.Context(), nil, moved, testKeys{DefaultKey: 2}, testBinding); !errors.Is(err, ErrKeyUnknown) {
		t.Errorf("the old key still opens it: %v", err)
	}
	before, body := parts(t, sealed)
	after, movedBody := parts(t, moved)
	equal(t, "body", movedBody, body)
	equal(t, "metadata", after.metadata, before.metadata)
	equal(t, "FLOE header", after.floe, before.floe)
	if after.prefix != before.prefix {
		t.Error("the fixed prefix changed")
	}
}

func TestRewrapToTheNewestVersion(t *testing.T) {
	old := testKeys{DefaultKey: 1}
	sealed, err := Seal(t.Context(), nil, text(100), old, testBinding, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, info, err := Open(t.Context(), nil, rewrapped(t, sealed, testRing, testRing), testRing, testBinding)
	if err != nil || info.Key != (KeyID{DefaultKey, 2}) {
		t.Fatalf("%+v, %v", info, err)
	}
}

func TestRewrapHeaderFitsBeforeTheBody(t *testing.T) {
	sealed := mustSeal(t, text(300_000), Options{Keys: []string{DefaultKey, "tenant"}})
	head, n, err := RewrapHeader(t.Context(), sealed[:min(len(sealed), MaxHeaderSize)], testRing, testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(t, append(head, sealed[n:]...))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "data", got, text(300_000))
}

// TestRewrapEnnoblesNothing: what does not verify is not signed anew.
func TestRewrapEnnoblesNothing(t *testing.T) {
	sealed := mustSeal(t, noise(300), small)
	h, _ := parts(t, sealed)
	for i := range len(h.encode()) {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		err := Rewrap(t.Context(), io.Discard, bytes.NewReader(bad), testRing, testRing, testBinding)
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrKeyUnknown) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	elsewhere := Binding{Store: "records", Key: "patients/18"}
	if err := Rewrap(t.Context(), io.Discard, bytes.NewReader(sealed), testRing, testRing, elsewhere); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another name: %v", err)
	}
}

func TestRewrapToldBadThings(t *testing.T) {
	sealed := mustSeal(t, text(10), Options{})
	in := func() io.Reader { return bytes.NewReader(sealed) }
	for name, err := range map[string]error{
		"no keyring":  Rewrap(t.Context(), io.Discard, in(), nil, testRing, testBinding),
		"no target":   Rewrap(t.Context(), io.Discard, in(), testRing, nil, testBinding),
		"no store":    Rewrap(t.Context(), io.Discard, in(), testRing, testRing, Binding{Key: "k"}),
		"many keys":   Rewrap(t.Context(), io.Discard, in(), testRing, testRing, testBinding, make([]string, 17)...),
		"no key name": Rewrap(t.Context(), io.Discard, in(), testRing, testRing, testBinding, ""),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Rewrap(t.Context(), io.Discard, in(), testRing, testRing, testBinding, "nobody"); !errors.Is(err, ErrKeyUnknown) {
		t.Error(err)
	}
	if err := Rewrap(t.Context(), &brokenAfter{n: 1}, in(), testRing, testRing, testBinding); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	broken := io.MultiReader(bytes.NewReader(sealed[:len(sealed)-10]), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := Rewrap(t.Context(), io.Discard, broken, testRing, testRing, testBinding); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

// TestRewrapEndsWithItsContext cancels while the body is copied.
func TestRewrapEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	sealed := mustSeal(t, noise(1<<20), Options{})
	read := 0
	in := readerFunc(func(p []byte) (int, error) {
		n := copy(p, sealed[read:])
		if read += n; read > 100_000 {
			cancel()
		}
		return n, nil
	})
	err := Rewrap(ctx, io.Discard, in, testRing, testRing, testBinding)
	if !errors.Is(err, context.Canceled) || read > 300_000 {
		t.Errorf("after %d bytes: %v", read, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
