package awskms

import "errors"

// ErrUnavailable says that KMS gave no answer that could be used: it was not
// reached, was busy, failed inside, or took longer than [Options.Timeout]. Nothing
// was changed anywhere; trying again is safe.
var ErrUnavailable = errors.New("awskms: AWS KMS is not available")

// failure joins what an error means with where it came from. The cause's own text
// is KMS's, or a proxy's, and may quote what was sent; it is not printed.
type failure struct {
	op    string // the KMS operation
	is    error
	text  string
	cause error // may be nil
}

func (f *failure) Error() string {
	return f.is.Error() + ": KMS " + f.op + ": " + f.text
}

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.is}
	}
	return []error{f.is, f.cause}
}
