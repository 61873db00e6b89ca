package s3store

import (
	"bytes"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestCopyOntoItselfUndoesNobodysWrite: it is how data is sealed anew under live
// traffic. What it read may come from the cache, or be read to its end, before somebody
// writes.
func TestCopyOntoItselfUndoesNobodysWrite(t *testing.T) {
	for _, data := range [][]byte{little, much, ranges} {
		s, f := cachedStore(t, Options{plan: small, MaxInMemory: 10_000})
		elsewhere := newStore(t, f.client(), s.keyring, Options{})
		if _, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Copy(t.Context(), "k", "k", PutOptions{}); err != nil {
			t.Fatalf("with nobody there: %v", err)
		}
		var wrote atomic.Bool
		f.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if writing(r) && !wrote.Swap(true) {
				put(t, elsewhere, "k", "written meanwhile")
			}
			return false
		}
		if _, err := s.Copy(t.Context(), "k", "k", PutOptions{}); !errors.Is(err, ErrChanged) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
		mustGet(t, elsewhere, "k", "written meanwhile")
	}
}

// TestStaleDataIsNotCopied: the application allows it to be read while S3 is away, not
// to replace what is newer.
func TestStaleDataIsNotCopied(t *testing.T) {
	for _, to := range []string{"k", "other"} {
		s, f := cachedStore(t, Options{StaleIfUnavailable: true})
		put(t, s, "k", "old")
		put(t, newStore(t, f.client(), s.keyring, Options{}), "k", "new")
		s.Suspect()
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				fail(w, http.StatusServiceUnavailable, "SlowDown")
			}
			return r.Method == http.MethodGet
		}
		if _, err := s.Copy(t.Context(), "k", to, PutOptions{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("to %s: %v", to, err)
		}
		f.before = nil
		mustGet(t, s, "k", "new")
		if f.exists("other") {
			t.Error("it was copied")
		}
	}
}
