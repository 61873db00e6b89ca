package envelope

import (
	"testing"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// TestEveryEnvelopeHasSecretsOfItsOwn looks at all that must be random: two that are
// alike would be a key or a nonce used twice, and one that nobody drew is all zeros
// in every envelope.
func TestEveryEnvelopeHasSecretsOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for range 3 {
		for what, value := range randomParts(t, mustSeal(t, text(10), small)) {
			if other := seen[value]; other != "" {
				t.Errorf("%s is the %s of another", what, other)
			}
			seen[value] = what
		}
	}
}

func randomParts(t *testing.T, sealed []byte) map[string]string {
	t.Helper()
	h, _ := parts(t, sealed)
	k, _, err := unwrap(t.Context(), testRing, h.slots, h.prefix.encode(), testBinding.digest())
	if err != nil {
		t.Fatal(err)
	}
	const nonce, iv = 12, 10
	found := map[string]string{
		"data key": string(k.secret[:]), "object id": string(h.prefix.id[:]),
		"metadata nonce": string(h.metadata[:nonce]), "FLOE IV": string(h.floe[iv : iv+floe.KeySize]),
	}
	for i, s := range h.slots {
		found["salt of slot "+string(rune('1'+i))] = string(s.salt[:])
		found["nonce of slot "+string(rune('1'+i))] = string(s.wrapped[:nonce])
	}
	return found
}

func TestNewSlotHasASaltOfItsOwn(t *testing.T) {
	sealed := mustSeal(t, text(10), Options{})
	before, _ := parts(t, sealed)
	after, _ := parts(t, rewrapped(t, sealed, testRing, testRing))
	if before.slots[0].salt == after.slots[0].salt {
		t.Error("a slot's key is used a second time")
	}
}

func TestWipedDataKeyIsGone(t *testing.T) {
	k := newDataKey()
	if k.secret == [dataKeySize]byte{} {
		t.Fatal("the data key is all zeros")
	}
	if k.wipe(); k.secret != [dataKeySize]byte{} {
		t.Error("a wiped data key can still be read")
	}
}
