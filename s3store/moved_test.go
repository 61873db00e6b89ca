package s3store

import (
	"errors"
	"net/http"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// TestWhatWasMovedWhileANodeWasDownIsNotServed: the node has the object under its former
// key, and missed both that it was re-wrapped and that the new key was destroyed. Nobody
// gets it from there, and when somebody has asked, it is gone, however large it is.
func TestWhatWasMovedWhileANodeWasDownIsNotServed(t *testing.T) {
	for _, most := range sizes {
		for _, name := range []string{"get", "stat", "open"} {
			f, kr, p, dir := newFakeS3(t), newKeyring(t), newPair(), t.TempDir()
			if _, err := kr.Rotate(t.Context(), "mortal"); err != nil {
				t.Fatal(err)
			}
			one := p.join(t, f, kr, Options{})
			putUnder(t, one, "k", noise(3000))
			two := startAgain(t, f, kr, dir, most)
			mustRead(t, two, noise(3000))
			settled(two)
			two.Close() // it goes down
			two.cache.Close()
			if _, err := one.Rewrap(t.Context(), "k", "mortal"); err != nil {
				t.Fatal(err)
			}
			mustDestroy(t, one, "mortal")
			two = startAgain(t, f, kr, dir, most)
			<-two.cache.Loaded()
			if !two.has("k") {
				t.Fatal("not cached: this test proves nothing")
			}
			if _, err := reads(t, two)[name](); !errors.Is(err, envelope.ErrKeyDestroyed) {
				t.Errorf("%s: %v", name, err)
			}
			if two.has("k") {
				t.Errorf("%s, %d in memory: it is kept", name, most)
			}
			f.before = answer(http.StatusServiceUnavailable, "SlowDown")
			if _, err := reads(t, two)["open"](); !errors.Is(err, ErrUnavailable) {
				t.Errorf("served while S3 is away: %v", err)
			}
		}
	}
}

// startAgain is a node over the cache's folder dir.
func startAgain(t *testing.T, f *fakeS3, kr *keyring.Keyring, dir string, most int64) *Store {
	t.Helper()
	return newStore(t, f.client(), kr, Options{Cache: openCache(t, dir, kr), MaxInMemory: most, StaleIfUnavailable: true})
}
