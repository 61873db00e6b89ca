package embedded

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"github.com/hipaakit/hipaakit/s3store"
	"github.com/hipaakit/hipaakit/s3store/s3test"
)

func TestSuite(t *testing.T) {
	s3test.Run(t, s3test.Config{Bucket: newBucket, Gaps: map[string]string{
		"restore of a large object": "UploadPartCopy from an older version looks at the deletion that is current",
	}})
}

func newBucket(t testing.TB, versioned bool) (s3store.S3, string) {
	const id, bucket = "AKIDEMBEDDED", "bucket"
	secret := strings.Repeat("embedded", 5)
	fake := gofakes3.New(s3mem.New(), gofakes3.WithV4Auth(map[string]string{id: secret}))
	server := httptest.NewTLSServer(&oneWriter{next: fake.Server()})
	t.Cleanup(server.Close)
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, HTTPClient: server.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
		}),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	if versioned {
		_, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String(bucket),
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return client, bucket
}

// oneWriter lets one request write at a time: this server's conditional writes are
// not atomic otherwise (two winners in 4 of 50 races).
type oneWriter struct {
	mu   sync.Mutex
	next http.Handler
}

func (o *oneWriter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		o.mu.Lock()
		defer o.mu.Unlock()
	}
	o.next.ServeHTTP(w, r)
}

func TestMain(m *testing.M) {
	// The server tells the log of every object that is not there.
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	m.Run()
}
