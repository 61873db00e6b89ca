package s3store

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound says that there is no object of that key, or no such version.
	ErrNotFound = errors.New("no such object")
	// ErrExists answers a write with [PutOptions.IfAbsent]: there is an object.
	// Nothing was changed.
	ErrExists = errors.New("the object exists")
	// ErrChanged says that an object is not, or no longer, the one meant: by
	// [PutOptions.IfMatch], by [Store.Rewrap], or by an open [File]. A write that
	// fails so has changed nothing.
	ErrChanged = errors.New("the object has changed")
	// ErrCorrupt says that an object did not verify: damaged, or not sealed for
	// this store, key and keyring. Retrying does not help. [Error] says which.
	ErrCorrupt = errors.New("object does not verify")
	// ErrDenied says that S3 refused the credentials or the permission.
	ErrDenied = errors.New("access denied")
	// ErrUnavailable says that S3 could not be asked or could not answer. Nothing
	// was changed; trying again later is safe.
	ErrUnavailable = errors.New("s3 is unavailable")
	// ErrOutcomeUnknown says that a write was sent, its answer lost or that of a
	// server in trouble (5xx), and that reading back did not show it: it may have
	// taken place, or do so until [Options.LandingTime] has passed. Writing the same again is safe if nobody
	// else writes the key.
	ErrOutcomeUnknown = errors.New("outcome of the write is unknown")
	// ErrTooLarge says that an object exceeds [Options.MaxObject], or
	// [Options.MaxInMemory] where it would be held in memory: then use [Store.Open].
	ErrTooLarge = errors.New("object is too large")
	// ErrRefused says that S3 answered that it will not do it, for a reason that has
	// no sentinel of its own; the error gives S3's code. Nothing was changed.
	ErrRefused = errors.New("s3 refused the request")
	// ErrEncryption says that S3 stored an object, or a part of one that was then given
	// up, but answered that it encrypted it in another way than [Options.ServerSide] asks for: look at the bucket's policy.
	ErrEncryption = errors.New("s3 encrypted otherwise than it was asked to")
	// ErrSource says that the caller's own reader failed; errors.Is finds its error
	// too. Nothing was changed.
	ErrSource = errors.New("the data could not be read")
	// ErrInvalid says that a caller's argument cannot be used; the error says why.
	ErrInvalid = errors.New("invalid argument")
	// ErrClosed answers calls after [Store.Close].
	ErrClosed = errors.New("store is closed")
)

// Error is what every operation of a [Store] fails with. Its text names neither
// key nor data, so that it can be logged; the fields do.
type Error struct {
	Op      string // "put", "get", "open", "stat", "delete", "list", "copy", ...
	Key     string // the object, or the prefix listed
	ETag    string // the object that failed, if there was one
	Version string // its version id, if the bucket keeps versions
	Err     error
}

func (e *Error) Error() string {
	switch {
	case e.ETag != "" && e.Version != "":
		return fmt.Sprintf("s3store: %s: %v (etag %s, version %s)", e.Op, e.Err, e.ETag, e.Version)
	case e.ETag != "":
		return fmt.Sprintf("s3store: %s: %v (etag %s)", e.Op, e.Err, e.ETag)
	}
	return fmt.Sprintf("s3store: %s: %v", e.Op, e.Err)
}

// Unwrap gives the reason to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// failure puts op and key around an error that is classified already.
func failure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Key: key, Err: err}
}

// reason joins a sentinel with its cause. The cause's own text may hold the name
// of the object or of the caller's file, so it is not printed; text is.
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
