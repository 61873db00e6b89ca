package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
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
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// fakeS3 is as much of S3 as the store uses, over real HTTP, with every request
// recorded and every answer at a test's mercy.
type fakeS3 struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]stored
	log     []string        // "PUT key", "GET key", "GET key if-none-match"
	writes  []*http.Request // without bodies

	// before runs ahead of a request and may answer it; after runs when a
	// request has taken effect but was not answered, and may panic with
	// http.ErrAbortHandler to lose the answer.
	before func(w http.ResponseWriter, r *http.Request) (answered bool)
	after  func(r *http.Request)
}

type stored struct {
	body     []byte
	etag     string
	modified time.Time
}

func newFakeS3(t testing.TB) *fakeS3 {
	t.Helper()
	f := &fakeS3{objects: map[string]stored{}}
	f.Server = httptest.NewTLSServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeS3) client() *s3.Client {
	return newClient(f.URL, f.Client(), "AKIDTEST", strings.Repeat("s", 40))
}

func newClient(endpoint string, hc *http.Client, id, secret string) *s3.Client {
	impatient := retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
	return s3.New(s3.Options{
		Retryer: impatient,
		Region:  "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true, HTTPClient: hc,
		DisableLogOutputChecksumValidationSkipped: true,
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenSupported,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
		}),
	})
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	f.record(r, key)
	if f.before != nil && f.before(w, r) {
		return
	}
	switch {
	case r.URL.Query().Get("list-type") == "2":
		f.list(w, r)
	case r.Method == http.MethodPut:
		f.put(w, r, key, body)
	case r.Method == http.MethodDelete:
		f.mu.Lock()
		delete(f.objects, key)
		f.mu.Unlock()
		f.effect(r)
		w.WriteHeader(http.StatusNoContent)
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

func (f *fakeS3) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	if got := r.Header.Get("X-Amz-Checksum-Crc32c"); got != crc32c(body) {
		http.Error(w, "<Error><Code>BadDigest</Code></Error>", http.StatusBadRequest)
		return
	}
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:]) + `"`
	f.mu.Lock()
	f.objects[key] = stored{body, etag, time.Now()}
	f.mu.Unlock()
	f.effect(r)
	w.Header().Set("ETag", etag)
}

func (f *fakeS3) get(w http.ResponseWriter, r *http.Request, key string) {
	f.mu.Lock()
	o, ok := f.objects[key]
	f.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
		return
	}
	w.Header().Set("ETag", o.etag)
	http.ServeContent(w, r, "", o.modified, strings.NewReader(string(o.body)))
}

func (f *fakeS3) list(w http.ResponseWriter, r *http.Request) {
	type item struct {
		Key, ETag, LastModified string
		Size                    int
	}
	type result struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		Name                  string
		Contents              []item
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
	}
	const page = 3
	q, out := r.URL.Query(), result{Name: "bucket"}
	f.mu.Lock()
	var keys []string
	for k := range f.objects {
		if strings.HasPrefix(k, q.Get("prefix")) && k > q.Get("continuation-token") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys[:min(page, len(keys))] {
		o := f.objects[k]
		out.Contents = append(out.Contents, item{k, o.etag, o.modified.UTC().Format(time.RFC3339), len(o.body)})
	}
	f.mu.Unlock()
	if len(keys) > page {
		out.IsTruncated, out.NextContinuationToken = true, keys[page-1]
	}
	xml.NewEncoder(w).Encode(out)
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
	return slices.Clone(f.objects[key].body)
}

func (f *fakeS3) set(key string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := sha256.Sum256(body)
	f.objects[key] = stored{body, `"` + hex.EncodeToString(sum[:]) + `"`, time.Now()}
}
