package s3test

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/hipaakit/hipaakit/s3store"
)

func uploadCases() []testCase {
	return []testCase{
		{"an object in parts", false, inParts},
		{"an upload that ends early leaves nothing", false, abortedUpload},
		{"uploads left behind are removed", false, cleanUploads},
		{"a small object is re-wrapped", false, func(e *env) error { return rewrapped(e, 1000) }},
		{"a large object is re-wrapped by copying", false, func(e *env) error { return rewrapped(e, 17<<20) }},
		{"re-wrapping does not undo a write", false, rewrapRace},
	}
}

func (e *env) noUploads() error {
	out, err := e.client.ListMultipartUploads(e.ctx, &s3.ListMultipartUploadsInput{Bucket: &e.bucket})
	if api := smithy.APIError(nil); errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload" {
		return nil // as some servers say it
	}
	if err != nil {
		return err
	}
	return wrong(len(out.Uploads) == 0, "%d uploads are left", len(out.Uploads))
}

func inParts(e *env) error {
	data := noise(17<<20+17, "parts")
	var last s3store.Progress
	i, err := e.put("k", data, s3store.PutOptions{Progress: func(p s3store.Progress) { last = p }})
	return first(err, e.holds("k", data), e.noUploads(),
		wrong(last.Data == int64(len(data)) && last.Sealed == i.SealedSize, "progress ended at %+v", last))
}

func abortedUpload(e *env) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	n := 0
	_, err := e.store.Put(ctx, "k", reader(func(p []byte) (int, error) {
		if n += len(p); n > 20<<20 {
			cancel()
		}
		return copy(p, noise(len(p), "x")), nil
	}), s3store.PutOptions{})
	return first(wrong(errors.Is(err, context.Canceled), "answers %v", err), e.holds("k", nil), e.noUploads())
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

var _ io.Reader = reader(nil)

func cleanUploads(e *env) error {
	for range 3 {
		if _, err := e.client.CreateMultipartUpload(e.ctx, &s3.CreateMultipartUploadInput{Bucket: &e.bucket, Key: aws.String("left behind")}); err != nil {
			return err
		}
	}
	young, err := e.store.CleanUploads(e.ctx, time.Hour)
	if err := first(err, wrong(young == 0, "%d young ones were aborted", young)); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // S3 tells the time in seconds
	old, err := e.store.CleanUploads(e.ctx, time.Nanosecond)
	return first(err, wrong(old == 3, "%d were aborted, want 3", old), e.noUploads())
}

func rewrapped(e *env, n int) error {
	data := noise(n, "rewrap")
	before, err := e.put("k", data, s3store.PutOptions{Metadata: map[string]string{"a": "b"}})
	if err := first(err, e.rotate()); err != nil {
		return err
	}
	after, err := e.store.Rewrap(e.ctx, "k")
	if err := first(err, e.holds("k", data), e.noUploads(),
		wrong(after.ETag != before.ETag && after.ID == before.ID && after.Metadata["a"] == "b", "re-wrapped %+v, was %+v", after, before)); err != nil {
		return err
	}
	again, err := e.store.Rewrap(e.ctx, "k")
	return first(err, wrong(again.ETag == after.ETag, "what is up to date was re-wrapped"))
}

// rewrapRace writes while the object is being re-wrapped, again and again.
func rewrapRace(e *env) error {
	for i := range 10 {
		data := noise(1000+i, "race")
		if _, err := e.put("k", noise(100, "before"), s3store.PutOptions{}); err != nil {
			return err
		}
		if err := e.rotate(); err != nil {
			return err
		}
		done := make(chan error)
		go func() {
			_, err := e.plain.Rewrap(e.ctx, "k")
			done <- err
		}()
		_, err := e.put("k", data, s3store.PutOptions{})
		rewrap := <-done
		if errors.Is(rewrap, s3store.ErrChanged) {
			rewrap = nil
		}
		if err := first(err, rewrap, e.holds("k", data)); err != nil {
			return err
		}
	}
	return nil
}
