package awskms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// callError says what it means that an operation, called under ctx, failed.
func callError(ctx context.Context, op string, err error) error {
	f := &failure{op: op, is: ErrUnavailable, text: describe(err), cause: cause(err)}
	switch {
	case errors.Is(err, errNoTLS):
		return errNoTLS
	case answered(err):
		f.is = refusal(err)
	case errors.Is(ctx.Err(), context.Canceled):
		// The caller gave up. That says nothing about KMS.
		f.is, f.cause = context.Cause(ctx), errors.Join(ctx.Err(), f.cause)
	case ctx.Err() != nil:
		// KMS had its time, the caller's or ours, and did not use it.
		f.cause = errors.Join(ctx.Err(), f.cause)
	}
	return f
}

// answered says that KMS itself decided. All else means that nobody did:
//
//   - no error code: a connection refused or cut, no credentials to sign with, an
//     answer cut off, or a proxy's page, whatever its status, since KMS always
//     sends one;
//   - throttling, which says something about how often and nothing about whether;
//   - 5xx, and KMS's own server faults (KMSInternalException,
//     DependencyTimeoutException, KeyUnavailableException), which its reference
//     says to try again.
//
// Codes are looked at before the context: a no that arrives as the time runs out
// is a no.
func answered(err error) bool {
	api := smithy.APIError(nil)
	if !errors.As(err, &api) || api.ErrorCode() == "" || api.ErrorCode() == "UnknownError" {
		return false
	}
	status := statusOf(err)
	busy := status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || hasCode(err, retry.DefaultThrottleErrorCodes) ||
		hasCode(err, retry.DefaultRetryableErrorCodes)
	return status < 500 && api.ErrorFault() != smithy.FaultServer && !busy
}

// refusal tells what KMS said of the ciphertext from what it said of us.
func refusal(err error) error {
	api := smithy.APIError(nil)
	errors.As(err, &api)
	switch api.ErrorCode() {
	case "InvalidCiphertextException", "IncorrectKeyException":
		// Damaged, another key's, or wrapped for another name, version or pairs.
		return keyring.ErrProtector
	}
	// AccessDenied, Disabled, KMSInvalidState (to be deleted), NotFound (deleted),
	// a wrong usage, and credentials that KMS does not take, expired ones too: a
	// role that was taken from a stolen machine looks just like that. So does what
	// STS answers when the SDK asks it for credentials on the way.
	return keyring.ErrDenied
}

// describe holds what the operator needs and none of KMS's own words: a message
// may quote a field of the request, and one of those is the key.
func describe(err error) string {
	status := statusOf(err)
	text := ""
	if api := smithy.APIError(nil); errors.As(err, &api) {
		text = fmt.Sprintf("%.64q", api.ErrorCode())
	} else if status > 0 {
		text = "an answer that is not KMS's"
	} else if canceled := (*smithy.CanceledError)(nil); errors.As(err, &canceled) || errors.Is(err, context.DeadlineExceeded) {
		text = "no answer in time"
	} else if u := (*url.Error)(nil); errors.As(err, &u) {
		text = transport(u.Err)
	} else {
		text = "the request was not sent; are there credentials and an endpoint?"
	}
	if status > 0 {
		text += fmt.Sprintf(", status %d", status)
	}
	if r := (interface{ ServiceRequestID() string })(nil); errors.As(err, &r) && r.ServiceRequestID() != "" {
		text += fmt.Sprintf(", request %.64q", r.ServiceRequestID())
	}
	return text
}

// transport quotes only errors that are about the connection: others quote what
// came over it.
func transport(err error) string {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Error()
	}
	if cert := (*tls.CertificateVerificationError)(nil); errors.As(err, &cert) {
		return cert.Error()
	}
	return fmt.Sprintf("the connection failed (%T)", err)
}

// cause is the part of an SDK error that holds no bodies. The whole holds the HTTP
// exchange, with the key in it, for as long as somebody keeps the error.
func cause(err error) error {
	if api := smithy.APIError(nil); errors.As(err, &api) {
		return api
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u
	}
	if statusOf(err) > 0 || errors.As(err, new(*smithy.DeserializationError)) {
		return nil
	}
	return err
}

func statusOf(err error) int {
	if r := (*smithyhttp.ResponseError)(nil); errors.As(err, &r) && r.Response != nil {
		return r.HTTPStatusCode()
	}
	return 0
}

func hasCode(err error, codes map[string]struct{}) bool {
	return retry.RetryableErrorCode{Codes: codes}.IsErrorRetryable(err) == aws.TrueTernary
}
