package s3store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hipaakit/hipaakit/envelope"
)

// errHollow is a 200 without what S3 always sends: a proxy that gave up, or a
// server that lost its client, answers so. Taken at its word it would be a stored
// object, a damaged one, or an empty bucket.
var errHollow = errors.New("the answer is not S3's")

// hollow is for requests whose good answer has no content: 204, which a proxy has no
// reason to say.
func hollow(m middleware.Metadata) bool {
	res, ok := awsmiddleware.GetRawResponse(m).(*smithyhttp.Response)
	return ok && res.StatusCode != http.StatusNoContent
}

// s3Error says what it means that a request of S3, sent under ctx, failed.
func s3Error(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	// What ended is told by the context, not by the error: a transport's own
	// time limit wraps context.DeadlineExceeded as well.
	if ctx.Err() != nil {
		return reason{context.Cause(ctx), "", err}
	}
	switch status := statusOf(err); {
	case isCode(err, "RequestTimeTooSkewed"), isCode(err, "RequestTimeout"):
		// The SDK has set its clock by this answer; S3 waited for the rest of a body.
		return reason{ErrUnavailable, describe(err), err}
	case isCode(err, "NoSuchUpload"):
		return reason{ErrRefused, "the upload was ended by somebody else", err}
	case status == http.StatusNotFound && !isCode(err, "NoSuchBucket"):
		return reason{ErrNotFound, "", err}
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return reason{ErrDenied, describe(err), err}
	case status >= 300 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		return reason{ErrRefused, describe(err), err}
	}
	return reason{ErrUnavailable, describe(err), err}
}

// writeError is s3Error for a request that was to change something. Unless S3
// said no, or cannot have been asked, it may have taken place.
func writeError(ctx context.Context, err error) error {
	status := statusOf(err)
	said := status >= 300 && status < 500 && status != http.StatusRequestTimeout
	if err == nil || said || neverSent(ctx, err) {
		return s3Error(ctx, err)
	}
	return unknown(ctx, err)
}

func unknown(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrUnavailable) {
		cause = nil // our own deadline: "nothing was changed" would not be true
	}
	return reason{ErrOutcomeUnknown, describe(err), errors.Join(cause, err)}
}

// neverSent says that a request cannot have reached S3: the connection was not
// made, or the SDK failed before it came to that, as without credentials.
func neverSent(ctx context.Context, err error) bool {
	op := (*net.OpError)(nil)
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	sdk, sent := (*smithy.OperationError)(nil), (*smithyhttp.RequestSendError)(nil)
	canceled, answered := (*smithy.CanceledError)(nil), (*smithyhttp.ResponseError)(nil)
	return ctx.Err() == nil && errors.As(err, &sdk) &&
		!errors.As(err, &sent) && !errors.As(err, &canceled) && !errors.As(err, &answered)
}

// sealError says what it means that sealing or opening failed.
func sealError(err error) error {
	switch {
	case errors.Is(err, envelope.ErrCorrupt), errors.Is(err, envelope.ErrUnsupported):
		return reason{ErrCorrupt, err.Error(), err}
	case errors.Is(err, envelope.ErrInvalid):
		return reason{ErrInvalid, err.Error(), err}
	}
	return err
}

// describe is the part of an SDK error that names no object.
func describe(err error) string {
	if api := smithy.APIError(nil); errors.As(err, &api) {
		return fmt.Sprintf("status %d %s", statusOf(err), api.ErrorCode())
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err.Error()
	}
	if errors.Is(err, errHollow) {
		return errHollow.Error()
	}
	if status := statusOf(err); status > 0 {
		return fmt.Sprintf("status %d", status)
	}
	return fmt.Sprintf("%T", err)
}

func statusOf(err error) int {
	if r := (*smithyhttp.ResponseError)(nil); errors.As(err, &r) && r.Response != nil {
		return r.HTTPStatusCode()
	}
	return 0
}

func isCode(err error, code string) bool {
	api := smithy.APIError(nil)
	return errors.As(err, &api) && api.ErrorCode() == code
}
