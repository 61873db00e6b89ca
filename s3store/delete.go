package s3store

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Delete removes the object of key; that there is none is no error. On a bucket
// that keeps versions the older ones stay, see [Store.Versions]. When it returns
// without an error, no node serves the object any more. Errors are those of
// [Store.Put].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return failure("delete", key, err)
	}
	err := s.write(ctx, key, func(ctx context.Context, c *change) error {
		_, err := c.commit(ctx, s.deletion(key))
		return err
	})
	if err == nil {
		s.stats.deletes.Add(1)
	}
	return failure("delete", key, err)
}

func (s *Store) deletion(key string) commit {
	return commit{send: func(ctx context.Context, _ condition) (written, error) {
		out, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}, once)
		if errors.Is(s3Error(ctx, err), ErrNotFound) {
			return written{}, nil
		}
		if err == nil && hollow(out.ResultMetadata) {
			err = errHollow
		}
		if err != nil {
			return written{}, err
		}
		return written{version: aws.ToString(out.VersionId)}, nil
	}}
}
