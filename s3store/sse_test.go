package s3store

import (
	"bytes"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
)

func TestServerSideEncryptionIsAskedForAndChecked(t *testing.T) {
	const arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, sse := range []ServerSideEncryption{{}, {KMSKeyID: arn}} {
		s, f := cachedStore(t, Options{plan: small, ServerSide: sse})
		for _, n := range []int{10, 50_000} {
			f.writes = nil
			if _, err := s.Put(t.Context(), "k", bytes.NewReader(noise(n)), PutOptions{}); err != nil {
				t.Fatal(err)
			}
			h := f.writes[0].Header // PutObject, CreateMultipartUpload
			if h.Get("X-Amz-Server-Side-Encryption") != string(sse.algorithm()) || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != sse.KMSKeyID {
				t.Errorf("asked for %v", h)
			}
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut || r.Method == http.MethodPost {
					w.Header().Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "arn:aws:kms:us-east-1:111122223333:key/other")
					r.Header.Set("X-Amz-Server-Side-Encryption", "aws:kms") // what the fake will answer
				}
				return false
			}
			if _, err := s.Put(t.Context(), "k", bytes.NewReader(noise(n)), PutOptions{}); !errors.Is(err, ErrEncryption) {
				t.Errorf("another encryption: %v", err)
			}
			f.before = nil
			if f.left() != 0 || s.writes.doubts("k") {
				t.Error("something is left")
			}
		}
	}
}

// TestEncryptionOfEachPartIsChecked, of parts that are sent and of those that S3 copies;
// and of the upload itself, before anything is sent.
func TestEncryptionOfEachPartIsChecked(t *testing.T) {
	copied := func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }
	for name, c := range map[string]struct {
		at    func(*http.Request) bool
		do    func(*testing.T, *Store) error
		parts bool
	}{
		"upload":      {func(r *http.Request) bool { return r.URL.Query().Has("uploads") }, putInParts, false},
		"part":        {func(r *http.Request) bool { return r.URL.Query().Has("partNumber") && !copied(r) }, putInParts, true},
		"copied part": {copied, rewrapInParts, true},
	} {
		s, f := cachedStore(t, Options{plan: small})
		if err := putInParts(t, s); err != nil {
			t.Fatal(err)
		}
		rotate(t, s)
		var sent atomic.Bool
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if c.at(r) {
				w.Header().Set("X-Amz-Server-Side-Encryption", "aws:kms")
			}
			if r.URL.Query().Has("partNumber") {
				sent.Store(true)
			}
			return false
		}
		if err := c.do(t, s); !errors.Is(err, ErrEncryption) || f.left() != 0 || c.parts != sent.Load() {
			t.Errorf("%s: %v; parts were sent: %t, %d uploads are left", name, err, sent.Load(), f.left())
		}
	}
}
