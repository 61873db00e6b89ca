package s3store_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hipaakit/hipaakit/internal/testbed"
	"github.com/hipaakit/hipaakit/s3store"
	"github.com/hipaakit/hipaakit/s3store/s3test"
)

// TestSuiteOverTheFake keeps the fake honest that the other tests are made with.
func TestSuiteOverTheFake(t *testing.T) {
	s3test.Run(t, s3test.Config{Bucket: s3store.NewFakeBucket})
}

// TestSuiteOverVersityGW runs it over a server that others have written.
func TestSuiteOverVersityGW(t *testing.T) {
	server := testbed.VersityGW(t)
	s3test.Run(t, s3test.Config{Bucket: buckets(server), Gaps: map[string]string{
		"a large object is re-wrapped by copying": partOfAnUpload,
		"restore of a large object":               partOfAnUpload,
	}})
}

// partOfAnUpload: versitygw 1.8.0, when it copies a part from an object that was
// itself uploaded in parts with checksums of the same kind, answers with the checksum
// of that whole object ("...-3") as the part's, and refuses it when it gets it back.
const partOfAnUpload = "UploadPartCopy takes the checksum of the source object for the part's"

// buckets makes buckets on one server.
func buckets(server *testbed.S3Server) func(testing.TB, bool) (s3store.S3, string) {
	var count atomic.Int64
	return func(t testing.TB, versioned bool) (s3store.S3, string) {
		client := realClient(t, server.URL, server.Client(), server.AccessKey, server.SecretKey)
		name := fmt.Sprintf("bucket-%d", count.Add(1))
		if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
		if versioned {
			if _, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &name,
				VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
				t.Fatal(err)
			}
		}
		return client, name
	}
}

func realClient(t testing.TB, url string, hc *http.Client, id, secret string) *s3.Client {
	t.Cleanup(hc.CloseIdleConnections)
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, HTTPClient: hc,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
		}),
	})
}
