package s3store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// defaultUploadAge is longer than any upload should take, and a day of parts that
// nobody needs costs little.
const defaultUploadAge = 24 * time.Hour

// CleanUploads aborts the multipart uploads that began at least age ago by S3's
// clock (0: a day), and returns how many. A process that was killed leaves its upload
// behind, and S3 charges for the parts until somebody does this, or a lifecycle rule
// of the bucket ([CheckBucket] says whether there is one). Choose age longer than the
// longest upload: a younger one may be another node's, still running.
func (s *Store) CleanUploads(ctx context.Context, age time.Duration) (aborted int, err error) {
	if age == 0 {
		age = defaultUploadAge
	}
	if age < 0 {
		return 0, failure("clean", "", fmt.Errorf("%w: negative age", ErrInvalid))
	}
	ctx, release, err := s.work(ctx)
	if err != nil {
		return 0, failure("clean", "", err)
	}
	defer release()
	in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket}
	for more := true; more; {
		out, err := s.uploadsPage(ctx, in)
		if err != nil {
			return aborted, failure("clean", "", err)
		}
		before := serverTime(out.ResultMetadata).Add(-age)
		n, err := s.abortOld(ctx, out.Uploads, before)
		aborted += n
		if err != nil {
			return aborted, err
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		more = aws.ToBool(out.IsTruncated) && in.KeyMarker != nil
	}
	return aborted, nil
}

func (s *Store) uploadsPage(ctx context.Context, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	return call(ctx, s, 0, func(ctx context.Context) (*s3.ListMultipartUploadsOutput, error) {
		out, err := s.client.ListMultipartUploads(ctx, in, once)
		switch {
		case isCode(err, "NoSuchUpload"): // gofakes3, where there never was one
			return &s3.ListMultipartUploadsOutput{}, nil
		case err == nil && out.Bucket == nil:
			err = errHollow
		}
		return out, s3Error(ctx, err)
	})
}

func (s *Store) abortOld(ctx context.Context, uploads []types.MultipartUpload, before time.Time) (aborted int, err error) {
	for _, u := range uploads {
		if u.Initiated == nil || u.Initiated.After(before) {
			continue
		}
		key := aws.ToString(u.Key)
		err := s.abort(ctx, key, aws.ToString(u.UploadId))
		if errors.Is(err, ErrNotFound) {
			continue // somebody was faster
		}
		if err != nil {
			return aborted, failure("clean", key, err)
		}
		aborted++
	}
	return aborted, nil
}
