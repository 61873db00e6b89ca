package testbed

import (
	"crypto/fips140"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
)

// Bubble is synctest.Test for what draws random bytes. Where FIPS 140 is enabled,
// the source of entropy measures time, which stands still in a bubble, and panics. One
// draw before the bubble is not enough: a second source is made whenever two goroutines
// draw at once. So random bytes are deterministic there.
func Bubble(t *testing.T, body func(*testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		cryptotest.SetGlobalRandom(t, 1)
	}
	synctest.Test(t, body)
}
