package s3store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/envelope"
)

// TestCallersReaderIsNotS3 fails the source of a Put in ways that look like
// something else.
func TestCallersReaderIsNotS3(t *testing.T) {
	s, f := cachedStore(t, Options{})
	dir := filepath.Join(t.TempDir(), "jane-doe.dcm")
	os.Mkdir(dir, 0o700)
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for name, c := range map[string]struct {
		in   io.Reader
		also error
	}{
		"a folder":           {folder, nil},
		"a damaged envelope": {iotest.ErrReader(envelope.ErrCorrupt), envelope.ErrCorrupt},
		"a closed file":      {iotest.ErrReader(fs.ErrClosed), fs.ErrClosed},
		"a lost connection":  {iotest.ErrReader(io.ErrUnexpectedEOF), io.ErrUnexpectedEOF},
	} {
		_, err := s.Put(t.Context(), "k", c.in, PutOptions{})
		if !errors.Is(err, ErrSource) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "jane") {
			t.Errorf("%s: %v", name, err)
		}
		if c.also != nil && !errors.Is(err, c.also) {
			t.Errorf("%s: the reader's own error is lost", name)
		}
	}
	if _, err := s.Put(t.Context(), "k", nil, PutOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no reader: %v", err)
	}
	mustAsk(t, f)
}

func TestBadPutOptionsAreInvalid(t *testing.T) {
	s, f := cachedStore(t, Options{})
	for name, o := range map[string]PutOptions{
		"metadata": {Metadata: map[string]string{"a": strings.Repeat("x", 70<<10)}}, "compression": {Compression: 99},
		"an ETag that is no header": {IfMatch: "\"a\"\r\nX-Amz-Acl: public-read"}, "a negative size": {Size: -1},
	} {
		if _, err := s.Put(t.Context(), "k", strings.NewReader("x"), o); !errors.Is(err, ErrInvalid) || s.writes.doubts("k") {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAsk(t, f)
}

// TestWriteThatWasNeverSentIsNotUnknown takes the credentials away, and the
// bucket to another region.
func TestWriteThatWasNeverSentIsNotUnknown(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	u := f.URL
	c := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &u, UsePathStyle: true, HTTPClient: f.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("the metadata service is down")
		})})
	s := newStore(t, c, kr, Options{})
	_, err := s.Put(t.Context(), "k", strings.NewReader("x"), PutOptions{})
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOutcomeUnknown) || s.writes.doubts("k") {
		t.Errorf("without credentials: %v, in doubt %t", err, s.writes.doubts("k"))
	}
	mustAsk(t, f)
	f.before = answer(http.StatusMovedPermanently, "PermanentRedirect")
	s = newStore(t, f.client(), kr, Options{})
	if _, err := s.Put(t.Context(), "k", strings.NewReader("x"), PutOptions{}); !errors.Is(err, ErrRefused) || s.writes.doubts("k") {
		t.Errorf("redirected: %v", err)
	}
}

func TestEmptyObjectIsCorruptForAll(t *testing.T) {
	s, f := cachedStore(t, Options{})
	f.set("k", nil)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Header.Get("Range") != "" && answer(http.StatusRequestedRangeNotSatisfiable, "InvalidRange")(w, r)
	}
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("stat: %v", err)
	}
}
