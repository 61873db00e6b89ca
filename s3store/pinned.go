package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// pinned is one object as it was when it was first seen: ranges of anything else
// are refused.
type pinned struct {
	store *Store
	info  Info
}

// fetch fills p with the sealed bytes at off, by one GET.
func (o pinned) fetch(ctx context.Context, p []byte, off int64) error {
	ctx, release, err := o.store.work(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, err = call(ctx, o.store, int64(len(p)), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, o.get(ctx, p, off)
	})
	return err
}

func (o pinned) get(ctx context.Context, p []byte, off int64) error {
	s := o.store
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &o.info.Key, IfMatch: &o.info.ETag,
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))}
	if o.info.Version != "" {
		in.VersionId = &o.info.Version
	}
	out, err := s.client.GetObject(ctx, in, envelopes)
	if err != nil {
		return o.refused(ctx, err)
	}
	defer out.Body.Close()
	switch {
	case aws.ToString(out.ETag) == "":
		return s3Error(ctx, errHollow)
	case *out.ETag != o.info.ETag || totalSize(out) != o.info.SealedSize:
		return ErrChanged // a server that does not know If-Match
	case aws.ToInt64(out.ContentLength) != int64(len(p)):
		return s3Error(ctx, errHollow) // nor ranges
	}
	s.stats.ranges.Add(1)
	_, err = io.ReadFull(body{ctx, out.Body}, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = reason{ErrUnavailable, "the answer broke off", brokenOff{err}}
	}
	return err
}

// refused tells an object that moved from other trouble.
func (o pinned) refused(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		switch statusOf(err) {
		case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable, http.StatusMethodNotAllowed:
			return reason{ErrChanged, "", err}
		case http.StatusNotFound:
			if !isCode(err, "NoSuchBucket") {
				return reason{ErrChanged, "", err}
			}
		}
	}
	return s3Error(ctx, err)
}
