package envelope

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

var errOutage = errors.New("key service does not answer")

// unasked is testRing while the service that has some of its names is down.
type unasked struct {
	testKeys
	names map[string]bool
}

func (u unasked) Derive(ctx context.Context, id KeyID, info []byte) ([DerivedKeySize]byte, error) {
	if u.names[id.Name] {
		return [DerivedKeySize]byte{}, errOutage
	}
	return u.testKeys.Derive(ctx, id, info)
}

// TestOutageIsNoUnknownKey: who hears that nobody has the key gives the object up,
// and who is sent on to another slot chooses by outage what two readers see.
func TestOutageIsNoUnknownKey(t *testing.T) {
	sealed := mustSeal(t, text(100), Options{Keys: []string{"tenant", DefaultKey}})
	for name, down := range map[string]map[string]bool{
		"first slot": {"tenant": true}, "both slots": {"tenant": true, DefaultKey: true},
	} {
		ring := unasked{testRing, down}
		_, _, open := Open(t.Context(), nil, sealed, ring, testBinding)
		_, reader := NewReader(t.Context(), bytes.NewReader(sealed), ring, testBinding)
		_, ranges := NewReaderAt(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), ring, testBinding)
		rewrap := Rewrap(t.Context(), io.Discard, bytes.NewReader(sealed), ring, testRing, testBinding)
		for way, err := range map[string]error{"Open": open, "NewReader": reader, "NewReaderAt": ranges, "Rewrap": rewrap} {
			if !errors.Is(err, errOutage) || errors.Is(err, ErrKeyUnknown) || errors.Is(err, ErrCorrupt) {
				t.Errorf("%s down, %s: %v", name, way, err)
			}
		}
	}
}

func TestOutageWhileSealingIsTold(t *testing.T) {
	ring := unasked{testRing, map[string]bool{DefaultKey: true}}
	if _, err := Seal(t.Context(), nil, text(10), ring, testBinding, Options{}); !errors.Is(err, errOutage) || errors.Is(err, ErrKeyUnknown) {
		t.Errorf("Seal: %v", err)
	}
	sealed := mustSeal(t, text(10), Options{Keys: []string{"tenant"}})
	if err := Rewrap(t.Context(), io.Discard, bytes.NewReader(sealed), testRing, ring, testBinding); !errors.Is(err, errOutage) {
		t.Errorf("Rewrap: %v", err)
	}
}
