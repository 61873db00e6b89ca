package envelope

import (
	"bytes"
	"errors"
	"testing"
)

func TestWrappedKeyComesBackUnderItsBindingAlone(t *testing.T) {
	key := noise(32)
	w := Wrapper{Keyring: testRing, Binding: Binding{Store: "records", Key: "cache key"}, Key: "tenant"}
	wrapped, err := w.WrapKey(t.Context(), key)
	if err != nil || bytes.Contains(wrapped, key) {
		t.Fatal("not wrapped", err)
	}
	got, err := w.UnwrapKey(t.Context(), wrapped)
	if err != nil || !bytes.Equal(got, key) {
		t.Fatal(err)
	}
	w.Binding.Key = "another use"
	if _, err := w.UnwrapKey(t.Context(), wrapped); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}
