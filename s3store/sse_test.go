package s3store

import (
	"bytes"
	"errors"
	"net/http"
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
	s, f := cachedStore(t, Options{plan: small})
	put := func() error {
		_, err := s.Put(t.Context(), "k", bytes.NewReader(much), PutOptions{})
		return err
	}
	rewrap := func() error {
		_, err := s.Rewrap(t.Context(), "k")
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	rotate(t, s)
	copied := func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }
	for name, c := range map[string]struct {
		at    func(*http.Request) bool
		do    func() error
		parts bool
	}{
		"upload":      {func(r *http.Request) bool { return r.URL.Query().Has("uploads") }, put, false},
		"part":        {func(r *http.Request) bool { return r.URL.Query().Has("partNumber") && !copied(r) }, put, true},
		"copied part": {copied, rewrap, true},
	} {
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if c.at(r) {
				w.Header().Set("X-Amz-Server-Side-Encryption", "aws:kms")
			}
			return false
		}
		f.writes = nil
		if err := c.do(); !errors.Is(err, ErrEncryption) || f.left() != 0 || c.parts != (len(f.writes) > 1) {
			t.Errorf("%s: %v after %d requests, %d uploads are left", name, err, len(f.writes), f.left())
		}
	}
}
