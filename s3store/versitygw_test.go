package s3store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestAgainstAServer takes real files through every operation of an S3 server
// that checks signatures and checksums.
func TestAgainstAServer(t *testing.T) {
	server := testbed.VersityGW(t)
	hc := server.Client()
	t.Cleanup(hc.CloseIdleConnections)
	client := newClient(server.URL, hc, server.AccessKey, server.SecretKey)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	kr, dir := newKeyring(t), t.TempDir()
	if _, err := kr.Rotate(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
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
	for name, data := range files {
		otherWays(t, s, plain, name, data)
	}
	// This server hangs up on a body that it has no use for, and so the answer may be
	// lost. Where the object is old enough, it is certain all the same.
	time.Sleep(3 * time.Second)
	for name, data := range files {
		if _, err := s.Put(t.Context(), name, bytes.NewReader(data), PutOptions{IfAbsent: true}); !errors.Is(err, ErrExists) {
			t.Errorf("%s: created twice: %v", name, err)
		}
	}
	deleteAll(t, s, len(files))
}

// otherWays takes one object through the operations that do not begin with Put.
func otherWays(t *testing.T, s, plain *Store, name string, data []byte) {
	t.Helper()
	check := func(what string, from *Store, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %s: %v", name, what, err)
		}
		file, err := from.Open(t.Context(), name)
		if err != nil {
			t.Fatalf("%s: after %s: %v", name, what, err)
		}
		defer file.Close()
		if err := sameAs(file, data); err != nil || file.Info().Metadata["n"] != name {
			t.Fatalf("%s: after %s: %v", name, what, err)
		}
	}
	check("nothing", plain, nil)
	_, err := s.Copy(t.Context(), name, name, PutOptions{})
	check("copy", s, err)
	check("copy", plain, nil)
	_, err = s.Rewrap(t.Context(), name, "other")
	check("re-wrap", s, err)
	check("re-wrap", plain, nil)
}

// sameAs reads an object from its beginning to its end, and its middle by itself.
func sameAs(file *File, data []byte) error {
	all, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	middle := make([]byte, len(data)/2)
	if _, err := file.ReadAt(middle, int64(len(data)/4)); err != nil && err != io.EOF {
		return err
	}
	if !bytes.Equal(all, data) || !bytes.Equal(middle, data[len(data)/4:][:len(middle)]) {
		return errors.New("other data")
	}
	return nil
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

// realData are patients as FHIR and images as DICOM, where somebody has put them:
// text that compresses well, and images that do not.
const realData = "../../shared/data/*/*"

// realFiles are the repository's own texts, an empty one, and realData.
func realFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"empty": {}, "näme with spaces+&?": []byte("x")}
	names, err := filepath.Glob("*.go")
	more, err2 := filepath.Glob(realData)
	if err := errors.Join(err, err2); err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	names = append(names, more...)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = data
	}
	return files
}
