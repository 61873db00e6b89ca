package envelope

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// forged is a header by somebody without any key.
func forged(names ...string) []byte {
	h := header{prefix: newPrefix(Options{SegmentLength: DefaultSegmentLength}), mac: make([]byte, macSize), metadata: make([]byte, 50), floe: make([]byte, floe.HeaderSize)}
	for _, n := range names {
		h.slots = append(h.slots, slot{key: KeyID{n, 9}, wrapped: make([]byte, wrappedSize)})
	}
	return h.encode()
}

// TestForgedKeyNameReachesNoLog puts a line of its own and a terminal's escape
// sequence into the name, which an error then names.
func TestForgedKeyNameReachesNoLog(t *testing.T) {
	for _, name := range []string{"x\nlevel=INFO msg=\"login ok\" user=admin", "\x1b[2J", "Jane Doe", "é", "a\x00", ""} {
		_, err := open(t, forged(name))
		if !errors.Is(err, ErrCorrupt) || name != "" && strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	if _, err := open(t, forged(allowed)); !errors.Is(err, ErrKeyUnknown) || !strings.Contains(err.Error(), allowed) {
		t.Errorf("an allowed name: %v", err)
	}
}

// TestMoreSlotsThanAWriterMakesAreRefused: short names leave room for more in the
// longest header, and each costs a question to the keyring.
func TestMoreSlotsThanAWriterMakesAreRefused(t *testing.T) {
	names := strings.Split("abcdefghijklmnopq", "") // 17
	for n, known := range map[int]error{0: ErrCorrupt, maxSlots: ErrKeyUnknown, maxSlots + 1: ErrCorrupt} {
		if _, err := open(t, forged(names[:n]...)); !errors.Is(err, known) {
			t.Errorf("%d slots: %v", n, err)
		}
	}
}

func TestShortFileIsNoEnvelope(t *testing.T) {
	for _, file := range []string{"PK\x03\x04 a zip", "hipaakiX", "x"} {
		if _, err := open(t, []byte(file)); !errors.Is(err, ErrNotEnvelope) {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := open(t, []byte(magic)); !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotEnvelope) {
		t.Errorf("an envelope cut off: %v", err)
	}
}

// renaming is a keyring whose keys have names that no slot may carry.
type renaming struct{ testKeys }

func (renaming) Latest(context.Context, string) (KeyID, error) { return KeyID{"A B", 1}, nil }

func TestSlotIsNotWrittenWithANameThatNobodyReads(t *testing.T) {
	if _, err := Seal(t.Context(), nil, nil, renaming{testRing}, testBinding, Options{}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// TestBrokenConnectionIsNoDamage ends the header as net/http ends a body whose
// connection broke. Only a true end of the stream cuts an envelope off.
func TestBrokenConnectionIsNoDamage(t *testing.T) {
	sealed := mustSeal(t, text(10), Options{})
	for _, at := range []int{0, 5, slotsAt, slotsAt + 1, slotsAt + 100} {
		broken := io.MultiReader(bytes.NewReader(sealed[:at]), iotest.ErrReader(io.ErrUnexpectedEOF))
		_, err := NewReader(t.Context(), broken, testRing, testBinding)
		if errors.Is(err, ErrCorrupt) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("broken at %d: %v", at, err)
		}
		_, err = NewReader(t.Context(), iotest.DataErrReader(bytes.NewReader(sealed[:at])), testRing, testBinding)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut off at %d: %v", at, err)
		}
	}
}

// stuck reads nothing and says nothing.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReaderThatNeverGetsOnIsGivenUp(t *testing.T) {
	if _, err := NewReader(t.Context(), stuck{}, testRing, testBinding); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

func TestWithoutAKeyringIsNamed(t *testing.T) {
	sealed := mustSeal(t, text(10), Options{})
	_, seal := Seal(t.Context(), nil, nil, nil, testBinding, Options{})
	_, _, open := Open(t.Context(), nil, sealed, nil, testBinding)
	_, writer := NewWriter(t.Context(), io.Discard, nil, testBinding, Options{})
	_, reader := NewReader(t.Context(), bytes.NewReader(sealed), nil, testBinding)
	_, wrap := Wrapper{Binding: testBinding}.WrapKey(t.Context(), []byte("key"))
	for name, err := range map[string]error{"Seal": seal, "Open": open, "NewWriter": writer, "NewReader": reader, "WrapKey": wrap} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
