package s3store

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ServerSideEncryption is the second layer: SSE-S3 as zero value, or SSE-KMS.
// There is no way to switch it off.
type ServerSideEncryption struct {
	// KMSKeyID, if not empty, is the KMS key (id, ARN or alias) of SSE-KMS. It is
	// used with a bucket key, which spares a KMS request for each object.
	KMSKeyID string
}

func (e ServerSideEncryption) algorithm() types.ServerSideEncryption {
	if e.KMSKeyID != "" {
		return types.ServerSideEncryptionAwsKms
	}
	return types.ServerSideEncryptionAes256
}

func (e ServerSideEncryption) put(in *s3.PutObjectInput) {
	in.ServerSideEncryption = e.algorithm()
	if e.KMSKeyID != "" {
		in.SSEKMSKeyId, in.BucketKeyEnabled = &e.KMSKeyID, aws.Bool(true)
	}
}

func (e ServerSideEncryption) create(in *s3.CreateMultipartUploadInput) {
	in.ServerSideEncryption = e.algorithm()
	if e.KMSKeyID != "" {
		in.SSEKMSKeyId, in.BucketKeyEnabled = &e.KMSKeyID, aws.Bool(true)
	}
}

// check holds S3's answer to a write against what was asked. Not every server
// answers at all; and an answer names a key by ARN, so only an ARN is compared.
func (e ServerSideEncryption) check(said types.ServerSideEncryption, keyID *string) error {
	if said != "" && said != e.algorithm() {
		return fmt.Errorf("%w: asked for %s, answered %s", ErrEncryption, e.algorithm(), said)
	}
	arn := strings.HasPrefix(e.KMSKeyID, "arn:") && strings.Contains(e.KMSKeyID, ":key/")
	if arn && keyID != nil && *keyID != e.KMSKeyID {
		return fmt.Errorf("%w: another KMS key", ErrEncryption)
	}
	return nil
}

// suspicious reports whether an object that was read says of itself that it is
// encrypted in a way that this package never asks for. What an earlier setting of
// [Options.ServerSide] wrote is not suspicious: options change, objects stay.
func suspicious(said types.ServerSideEncryption) bool {
	switch said {
	case "", types.ServerSideEncryptionAes256, types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAwsKmsDsse:
		return false
	}
	return true
}
