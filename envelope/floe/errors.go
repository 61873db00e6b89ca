package floe

import "errors"

var (
	// ErrCorrupt says that bytes did not verify: damage, truncation, another
	// key, other associated data, or segments out of their place.
	ErrCorrupt = errors.New("floe: ciphertext does not verify")
	// ErrParameters says that a header or a caller asks for parameters that
	// this package does not implement.
	ErrParameters = errors.New("floe: parameters are not supported")
	// ErrTooLong says that a message would exceed [MaxSegments].
	ErrTooLong = errors.New("floe: message has too many segments")
	// ErrClosed answers writes to a closed [Writer].
	ErrClosed = errors.New("floe: writer is closed")
)

var errInterrupted = errors.New("floe: a write was interrupted by a panic")
