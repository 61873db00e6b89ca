package envelope

import "errors"

var (
	// ErrCorrupt says that an envelope did not verify: damaged, cut off, sealed
	// under another key, or sealed for another name than it is opened under.
	// Those cannot be told apart by design. Retrying does not help.
	ErrCorrupt = errors.New("envelope: does not verify")
	// ErrNotEnvelope says that the bytes do not begin like an envelope at all. It
	// is an [ErrCorrupt] too.
	ErrNotEnvelope = &notEnvelope{}
	// ErrUnsupported says that an envelope asks for a version, codec or critical
	// flag that this program does not know; the error names it. A newer release
	// may open it.
	ErrUnsupported = errors.New("envelope: not supported by this release")
	// ErrKeyUnknown says that a keyring has no key of that name and version, or
	// none of those that an envelope has slots for.
	ErrKeyUnknown = errors.New("envelope: key is not in the keyring")
	// ErrKeyDestroyed says that a key was destroyed for good, or all of those that
	// an envelope has slots for: nobody will open it again. It is an
	// [ErrKeyUnknown] too.
	ErrKeyDestroyed = &keyDestroyed{}
	// ErrSize says that the data was longer or shorter than [Options.Size] said, or
	// longer than [MaxSize].
	ErrSize = errors.New("envelope: data has the wrong length")
	// ErrInvalid says that a caller's argument cannot be used; the error says why.
	ErrInvalid = errors.New("envelope: invalid argument")
	// ErrClosed answers writes to a closed [Writer].
	ErrClosed = errors.New("envelope: writer is closed")
)

// errInterrupted is what a writer answers after the writer below it panicked.
var errInterrupted = errors.New("envelope: a write was interrupted by a panic")

type notEnvelope struct{}

func (*notEnvelope) Error() string { return "envelope: not an envelope" }
func (*notEnvelope) Unwrap() error { return ErrCorrupt }

type keyDestroyed struct{}

func (*keyDestroyed) Error() string { return "envelope: key is destroyed" }
func (*keyDestroyed) Unwrap() error { return ErrKeyUnknown }
