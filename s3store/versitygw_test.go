package s3store

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestAgainstAServer takes real files through every operation of an S3 server
// that checks signatures and checksums.
func TestAgainstAServer(t *testing.T) {
	server := testbed.VersityGW(t)
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.CA, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(hc.CloseIdleConnections)
	client := newClient(server.URL, hc, server.AccessKey, server.SecretKey)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	kr, dir := newKeyring(t), t.TempDir()
	cache := openCache(t, dir, kr)
	s := newStore(t, client, kr, Options{Cache: cache})
	files := realFiles(t)
	for name, data := range files {
		if _, err := s.Put(t.Context(), name, bytes.NewReader(data), PutOptions{Metadata: map[string]string{"n": name}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	cache.Close()
	s = newStore(t, client, kr, Options{Cache: openCache(t, dir, kr)})
	plain := newStore(t, client, kr, Options{})
	for name, data := range files {
		for _, from := range []*Store{s, s, plain} {
			o, err := from.Get(t.Context(), name)
			if err != nil || !bytes.Equal(o.Data.Bytes(), data) || o.Metadata["n"] != name {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if i, err := plain.Stat(t.Context(), name); err != nil || i.Size != int64(len(data)) {
			t.Fatalf("%+v, %v", i, err)
		}
	}
	if st := s.Stats(); st.Confirmed != int64(len(files)) || st.Hits != st.Confirmed || st.Fetched != 0 {
		t.Errorf("after a restart: %+v", st)
	}
	deleteAll(t, s, len(files))
}

func deleteAll(t *testing.T, s *Store, want int) {
	t.Helper()
	listed := 0
	for l, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		listed++
		if err := s.Delete(t.Context(), l.Key); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), l.Key); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	if listed != want {
		t.Errorf("%d objects listed, want %d", listed, want)
	}
}

// realFiles are the repository's own texts, and an empty one.
func realFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"empty": {}, "näme with spaces+&?": []byte("x")}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return files
}
