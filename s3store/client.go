package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3 is the part of an S3 client that the store calls; any *s3.Client of
// aws-sdk-go-v2 fits. Safe for concurrent use.
type S3 interface {
	Objects
	Uploads
}

// Objects are the calls around whole objects.
type Objects interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
}

// Uploads are the calls around objects that are sent in parts.
type Uploads interface {
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	UploadPartCopy(context.Context, *s3.UploadPartCopyInput, ...func(*s3.Options)) (*s3.UploadPartCopyOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
	ListMultipartUploads(context.Context, *s3.ListMultipartUploadsInput, ...func(*s3.Options)) (*s3.ListMultipartUploadsOutput, error)
}

// once turns the SDK's retries off, for every call: the store has its own. A write
// whose answer was lost may have taken place; tried again behind the store's back
// it could land a second time, on top of somebody else's later write. And two
// retries, one inside the other, multiply when S3 asks to slow down.
func once(o *s3.Options) {
	o.Retryer = aws.NopRetryer{}
	// What has no checksum that could be verified would get a line in the log for each
	// read, saying so.
	o.DisableLogOutputChecksumValidationSkipped = true
}

// envelopes is once for reading what authenticates itself. To the SDK, a body whose
// checksum is wrong is one that could not be read: an object that was damaged at rest
// would be taken for an answer that broke off, and asked for again and again.
func envelopes(o *s3.Options) {
	once(o)
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}

// unsigned leaves the body of a request out of its signature, where TLS is around it:
// client and server would each spend on SHA-256 what sealing costs, twice over. The
// signature covers the CRC-32C, and the envelope authenticates itself.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.UseDynamicPayloadSigningMiddleware)
}

// askFirst is from which size on a conditional PUT waits for S3's word before it
// sends the body (Expect: 100-continue; the SDK does so from 2 MiB on). A server that
// refuses at once and hangs up would otherwise be seen as a connection that broke
// while the body was being sent: an outcome that nobody knows, instead of a no.
const askFirst = 16 << 10

func (c condition) call(o *s3.Options) {
	once(o)
	if c != (condition{}) {
		o.ContinueHeaderThresholdBytes = askFirst
	}
}
