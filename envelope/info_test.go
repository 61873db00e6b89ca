package envelope

import (
	"bytes"
	"testing"
)

// TestInfoIsACopy: a ReaderAt is shared, and what one of its users changes the others
// must not see.
func TestInfoIsACopy(t *testing.T) {
	sealed := mustSeal(t, text(10), Options{Metadata: map[string]string{"k": "v"}})
	r, err := NewReader(t.Context(), bytes.NewReader(sealed), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	ra, err := openAt(t, sealed)
	if err != nil {
		t.Fatal(err)
	}
	for name, info := range map[string]func() Info{"Reader": r.Info, "ReaderAt": ra.Info} {
		info().Metadata["k"] = "changed"
		info().Keys[0] = KeyID{"changed", 1}
		if i := info(); i.Metadata["k"] != "v" || i.Keys[0].Name != DefaultKey {
			t.Errorf("%s: %+v", name, i)
		}
	}
}
