package s3store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hipaakit/hipaakit/envelope"
)

var (
	// ErrNotFound says that there is no object of that key.
	ErrNotFound = errors.New("no such object")
	// ErrCorrupt says that an object did not verify: damaged, or not sealed for
	// this store, key and keyring. Retrying does not help. [Error] says which.
	ErrCorrupt = errors.New("object does not verify")
	// ErrDenied says that S3 refused the credentials or the permission.
	ErrDenied = errors.New("access denied")
	// ErrUnavailable says that S3 could not be asked or could not answer. Nothing
	// was changed; trying again later is safe.
	ErrUnavailable = errors.New("s3 is unavailable")
	// ErrOutcomeUnknown says that a write was sent and its answer lost: it may
	// have taken place, or do so until [Options.LandingTime] has passed. Writing
	// the same again is safe if nobody else writes the key.
	ErrOutcomeUnknown = errors.New("outcome of the write is unknown")
	// ErrTooLarge says that an object exceeds [Options.MaxObject].
	ErrTooLarge = errors.New("object is too large")
	// ErrInvalid says that a caller's argument cannot be used; the error says why.
	ErrInvalid = errors.New("invalid argument")
	// ErrClosed answers calls after [Store.Close].
	ErrClosed = errors.New("store is closed")
)

// Error is what every operation of a [Store] fails with. Its text names neither
// key nor data, so that it can be logged; the fields do.
type Error struct {
	Op   string // "put", "get", "stat", "delete", "list"
	Key  string // the object, or the prefix listed
	ETag string // the version that failed, if there was one
	Err  error
}

func (e *Error) Error() string {
	if e.ETag != "" {
		return fmt.Sprintf("s3store: %s: %v (version %s)", e.Op, e.Err, e.ETag)
	}
	return fmt.Sprintf("s3store: %s: %v", e.Op, e.Err)
}

// Unwrap gives the reason to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// failure classifies err: what happened to a request that must not have changed
// anything.
func failure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Key: key, Err: classify(err)}
}

func classify(err error) error {
	if r := (reason{}); errors.As(err, &r) {
		return err
	}
	switch status := statusOf(err); {
	case errors.Is(err, envelope.ErrCorrupt), errors.Is(err, envelope.ErrUnsupported):
		return reason{ErrCorrupt, err.Error(), err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return reason{contextError(err), "", err}
	case status == http.StatusNotFound && !isCode(err, "NoSuchBucket"):
		return reason{ErrNotFound, "", err}
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return reason{ErrDenied, describe(err), err}
	case status >= 500, status == http.StatusTooManyRequests, isNetwork(err):
		return reason{ErrUnavailable, describe(err), err}
	case status > 0:
		return reason{errRefused, describe(err), err}
	}
	return err
}

var errRefused = errors.New("s3 refused the request")

// reason joins a sentinel with its cause. The cause's own text may hold the
// object's URL, so only what describe lets through is printed.
type reason struct {
	is    error
	text  string
	cause error
}

func (r reason) Error() string {
	if r.text == "" {
		return r.is.Error()
	}
	return r.is.Error() + ": " + r.text
}

func (r reason) Unwrap() []error { return []error{r.is, r.cause} }

func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// describe is the part of an SDK error that names no object.
func describe(err error) string {
	if api := smithy.APIError(nil); errors.As(err, &api) {
		return fmt.Sprintf("status %d %s", statusOf(err), api.ErrorCode())
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err.Error()
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

func isNetwork(err error) bool {
	u, n := (*url.Error)(nil), net.Error(nil)
	send := (*smithyhttp.RequestSendError)(nil)
	return errors.As(err, &u) || errors.As(err, &n) || errors.As(err, &send)
}

// neverSent says that a request cannot have reached S3.
func neverSent(err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && op.Op == "dial"
}
