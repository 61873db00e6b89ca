package s3store

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Listed is what a listing tells of an object; [Store.Stat] tells the rest.
type Listed struct {
	Key        string
	ETag       string
	SealedSize int64 // of the envelope in S3, in bytes
	Modified   time.Time
}

// List goes through the objects whose keys begin with prefix, in the order of
// their keys, as S3 has them. After an error, which comes with a zero Listed,
// the sequence ends. Errors are those of [Store.Get].
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix}
		for more := true; more; {
			out, err := s.listPage(ctx, in)
			if err != nil {
				yield(Listed{}, failure("list", prefix, err))
				return
			}
			for _, o := range out.Contents {
				if !yield(listed(o), nil) {
					return
				}
			}
			in.ContinuationToken = out.NextContinuationToken
			more = aws.ToBool(out.IsTruncated) && in.ContinuationToken != nil
		}
	}
}

func (s *Store) listPage(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	ctx, release, err := s.work(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return call(ctx, s, 0, func(ctx context.Context) (*s3.ListObjectsV2Output, error) {
		out, err := s.client.ListObjectsV2(ctx, in, once)
		if err == nil && out.Name == nil {
			err = errHollow // not a bucket without objects: that has a name
		}
		return out, s3Error(ctx, err)
	})
}

func listed(o types.Object) Listed {
	return Listed{
		// Cloned: each string would keep the whole page's answer in memory.
		Key: strings.Clone(aws.ToString(o.Key)), ETag: strings.Clone(aws.ToString(o.ETag)),
		SealedSize: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified).UTC(),
	}
}
