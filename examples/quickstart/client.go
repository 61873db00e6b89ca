package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const bucket = "quickstart"

// wire counts what one node asks of S3, where nothing can be made up: on its
// connection.
type wire struct {
	next                     http.RoundTripper
	reads, unchanged, writes atomic.Int64
	unencrypted              atomic.Int64 // writes that did not ask S3 to encrypt too
	bodyBytes                atomic.Int64 // of objects, read
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		w.writes.Add(1)
		if r.Header.Get("X-Amz-Server-Side-Encryption") == "" {
			w.unencrypted.Add(1)
		}
	}
	resp, err := w.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet {
		w.reads.Add(1)
		if resp.StatusCode == http.StatusNotModified {
			w.unchanged.Add(1)
		}
		resp.Body = counted{resp.Body, &w.bodyBytes}
	}
	return resp, err
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// connect returns a client of the server and its wire.
func (s *bucketServer) connect() (*s3.Client, *wire) {
	w := &wire{next: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
	}}
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &s.url, UsePathStyle: true, HTTPClient: &http.Client{Transport: w},
		DisableLogOutputChecksumValidationSkipped: true,
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenSupported,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.id, SecretAccessKey: s.secret}, nil
		}),
	}), w
}

// disconnect closes the connections that a client keeps.
func (w *wire) disconnect() { w.next.(*http.Transport).CloseIdleConnections() }

func makeBucket(ctx context.Context, c *s3.Client) error {
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	if owned := (*types.BucketAlreadyOwnedByYou)(nil); errors.As(err, &owned) {
		return nil
	}
	return err
}

// dump reads the bucket as somebody would who has no keys.
func dump(ctx context.Context, c *s3.Client, each func(key string, body []byte)) error {
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: o.Key})
			if err != nil {
				return err
			}
			body, err := io.ReadAll(out.Body)
			out.Body.Close()
			if err != nil {
				return err
			}
			each(aws.ToString(o.Key), body)
		}
	}
	return nil
}
