package s3store

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// fakeS3 is as much of S3 as the store uses, over real HTTP, with every request
// recorded and every answer at a test's mercy.
type fakeS3 struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string][]stored // of each key the versions, the current one last
	uploads map[string]*fakeUpload
	count   int
	log     []string        // "PUT key", "GET key", "GET key if-none-match", "GET key bytes=0-9"
	writes  []*http.Request // without bodies

	versioned bool // set before the first write

	// before runs ahead of a request and may answer it; after runs when a
	// request has taken effect but was not answered, and may panic with
	// http.ErrAbortHandler to lose the answer.
	before func(w http.ResponseWriter, r *http.Request) (answered bool)
	after  func(r *http.Request)
}

type stored struct {
	body      []byte
	etag, id  string
	sum       string // of the body as it was sent
	modified  time.Time
	deleted   bool
	multipart bool
}

func newFakeS3(t testing.TB) *fakeS3 {
	t.Helper()
	f := &fakeS3{objects: map[string][]stored{}, uploads: map[string]*fakeUpload{}}
	f.Server = httptest.NewTLSServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeS3) client() *s3.Client {
	return newClient(f.URL, f.Client(), "AKIDTEST", strings.Repeat("s", 40))
}

func newClient(endpoint string, hc s3.HTTPClient, id, secret string) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true, HTTPClient: hc,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, // as of a client with loaded configuration
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
		}),
	})
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // half a request: S3 does nothing
	}
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	f.record(r, key)
	if f.before != nil && f.before(w, r) {
		return
	}
	q := r.URL.Query()
	switch {
	case q.Get("list-type") == "2":
		f.list(w, r)
	case q.Has("versions"):
		f.listVersions(w, r)
	case q.Has("uploads") && r.Method == http.MethodGet:
		f.listUploads(w, r)
	case q.Has("uploads"), q.Has("uploadId"):
		f.multipart(w, r, key, body)
	case r.Method == http.MethodPut:
		f.put(w, r, key, body)
	case r.Method == http.MethodDelete:
		f.remove(w, r, key)
	default:
		f.get(w, r, key)
	}
}

func (f *fakeS3) record(r *http.Request, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := r.Method + " " + key
	if r.Header.Get("If-None-Match") != "" {
		line += " if-none-match"
	}
	if r.Header.Get("If-Match") != "" {
		line += " if-match"
	}
	if ranged := r.Header.Get("Range"); ranged != "" {
		line += " " + ranged
	}
	f.log = append(f.log, line)
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		f.writes = append(f.writes, r)
	}
}

func (f *fakeS3) effect(r *http.Request) {
	if f.after != nil {
		f.after(r)
	}
}

// fail answers as S3 does.
func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}

// requests returns what was asked since the last call.
func (f *fakeS3) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	return log
}

func (f *fakeS3) body(key string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, _ := f.current(key)
	return slices.Clone(o.body)
}

func (f *fakeS3) set(key string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store(key, stored{body: body})
}

// rot damages the current object of key at rest: S3 goes on sending the checksum that
// it was stored with.
func (f *fakeS3) rot(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.objects[key]
	o := &all[len(all)-1]
	o.body = slices.Clone(o.body)
	o.body[len(o.body)-5] ^= 1
}

// age makes the current object of key one of an hour ago.
func (f *fakeS3) age(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.objects[key]
	all[len(all)-1].modified = time.Now().Add(-time.Hour)
}

// left is how many uploads nobody has completed or aborted.
func (f *fakeS3) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uploads)
}
