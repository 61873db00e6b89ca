package envelope

import (
	"context"
	"errors"
	"testing"
)

// shredded is testRing after some of its names were destroyed.
type shredded struct {
	testKeys
	names map[string]bool
}

func (s shredded) Derive(ctx context.Context, id KeyID, info []byte) ([DerivedKeySize]byte, error) {
	if s.names[id.Name] {
		return [DerivedKeySize]byte{}, ErrKeyDestroyed
	}
	return s.testKeys.Derive(ctx, id, info)
}

func TestOtherSlotsOpenAfterADestruction(t *testing.T) {
	sealed := mustSeal(t, []byte("data"), Options{Keys: []string{"tenant", DefaultKey}})
	ring := shredded{testRing, map[string]bool{"tenant": true}}
	data, info, err := Open(t.Context(), nil, sealed, ring, testBinding)
	if err != nil || string(data) != "data" || info.Key.Name != DefaultKey {
		t.Fatalf("%q by %v, %v", data, info.Key, err)
	}
}

// TestOnlyAllSlotsDestroyedIsDestroyed: a reader gives up on what is destroyed,
// and must not while one of the keys may yet turn up.
func TestOnlyAllSlotsDestroyedIsDestroyed(t *testing.T) {
	sealed := mustSeal(t, []byte("data"), Options{Keys: []string{"tenant", DefaultKey}})
	for name, test := range map[string]struct {
		ring      Keyring
		destroyed bool
	}{
		"both destroyed":   {shredded{testRing, map[string]bool{"tenant": true, DefaultKey: true}}, true},
		"one, one unknown": {shredded{testKeys{}, map[string]bool{"tenant": true}}, false},
		"unknown, one":     {shredded{testKeys{}, map[string]bool{DefaultKey: true}}, false},
		"both unknown":     {testKeys{}, false},
	} {
		_, _, err := Open(t.Context(), nil, sealed, test.ring, testBinding)
		if !errors.Is(err, ErrKeyUnknown) || errors.Is(err, ErrKeyDestroyed) != test.destroyed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
