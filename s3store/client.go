package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3 is the part of an S3 client that the store calls; any *s3.Client of
// aws-sdk-go-v2 fits. Safe for concurrent use.
type S3 interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// once turns the SDK's retries off. A write whose answer was lost may have taken
// place; tried again behind the store's back it could land a second time, on top
// of somebody else's later write.
func once(o *s3.Options) { o.RetryMaxAttempts = 1 }
