package s3store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/envelope"
)

// Stat returns what is known of the object of key without its data: from the
// cache where that is sure to be current, else from the first bytes in S3. Errors
// are those of [Store.Get].
func (s *Store) Stat(ctx context.Context, key string) (Info, error) {
	fresh := s.fresh(key)
	if o, suspect, ok := s.cached(key); ok && fresh && !suspect && !s.closed.Load() {
		return o.Info, nil
	}
	info, err := s.stat(ctx, key)
	return info, failure("stat", key, err)
}

func (s *Store) stat(ctx context.Context, key string) (Info, error) {
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	ctx, release, err := s.work(ctx)
	if err != nil {
		return Info{}, err
	}
	defer release()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=0-%d", envelope.MaxHeaderSize-1)),
	})
	if statusOf(err) == http.StatusRequestedRangeNotSatisfiable { // it has no first byte
		return Info{}, reason{ErrCorrupt, "the object is empty", err}
	}
	if err != nil {
		return Info{}, s3Error(ctx, err)
	}
	defer out.Body.Close()
	if aws.ToString(out.ETag) == "" {
		return Info{}, s3Error(ctx, errHollow)
	}
	head, err := io.ReadAll(io.LimitReader(body{ctx, out.Body}, int64(envelope.MaxHeaderSize)))
	if err != nil {
		return Info{}, err
	}
	info := infoOf(key, out)
	r, err := envelope.NewReader(ctx, bytes.NewReader(head), s.keyring, s.binding(key))
	if err != nil {
		return Info{}, damaged("stat", key, info.ETag, err)
	}
	info.SealedSize = totalSize(out)
	info.Size, info.Metadata = r.Info().Size, r.Info().Metadata
	return info, nil
}

// totalSize is the object's length out of "bytes 0-99/1234"; of an answer
// without a range, its own.
func totalSize(out *s3.GetObjectOutput) int64 {
	_, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/")
	if n, err := strconv.ParseInt(total, 10, 64); ok && err == nil {
		return n
	}
	return aws.ToInt64(out.ContentLength)
}
