package s3store

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// condition is what must be true of the present object for a write to take place.
// The zero value asks for nothing.
type condition struct {
	absent bool
	etag   string
}

func (o PutOptions) condition() (condition, error) {
	if o.IfAbsent && o.IfMatch != "" {
		return condition{}, fmt.Errorf("%w: IfAbsent and IfMatch exclude each other", ErrInvalid)
	}
	if strings.ContainsFunc(o.IfMatch, unicode.IsControl) { // no header can say it
		return condition{}, fmt.Errorf("%w: IfMatch is not an ETag", ErrInvalid)
	}
	return condition{o.IfAbsent, o.IfMatch}, nil
}

// ifNoneMatch and ifMatch are the headers (RFC 9110, section 13.1).
func (c condition) ifNoneMatch() *string {
	if c.absent {
		return aws.String("*")
	}
	return nil
}

func (c condition) ifMatch() *string {
	if c.etag != "" {
		return &c.etag
	}
	return nil
}

// broken is what S3's no means under c, nil if it is not about the condition. That
// the object of If-Match is gone is answered as 404.
func (c condition) broken(err error) error {
	status := statusOf(err)
	switch {
	case c.absent && status == http.StatusPreconditionFailed:
		return reason{ErrExists, "", err}
	case status == http.StatusPreconditionFailed,
		c.etag != "" && status == http.StatusNotFound && !isCode(err, "NoSuchBucket") && !isCode(err, "NoSuchUpload"):
		return reason{ErrChanged, "", err}
	}
	return nil
}

// conflict says that S3 did not decide, because another write of the key was under
// way (409). Nothing took place; asked again it decides.
func conflict(err error) bool {
	return statusOf(err) == http.StatusConflict && !isCode(err, "BucketNotEmpty")
}
