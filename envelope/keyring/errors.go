package keyring

import (
	"errors"
	"fmt"
)

var (
	// ErrProtector says that a wrapped key did not unwrap: another passphrase or
	// raw key, or a changed document.
	ErrProtector = errors.New("keyring: wrong passphrase or key, or a damaged document")
	// ErrDenied says that a protector's service was reached and refused. Asking
	// again does not help until somebody grants what it refuses.
	ErrDenied = errors.New("keyring: the protector's service refused")
	// ErrDocument says that a document is not a keyring this release can read.
	ErrDocument = errors.New("keyring: not a keyring document")
	// ErrRolledBack says that the stored document is older than one that this
	// process has seen: a key is missing, one that was destroyed is back, or one
	// that this process has used is another key, as after a rotation of the older
	// document. The keyring goes on with what it knows, and reads and changes nothing more
	// until the newer document is there again; [Keyring.Export] still has it.
	ErrRolledBack = errors.New("keyring: an older document came back")
	// ErrConflict says that two documents cannot be merged; the error names the
	// key. Nothing was changed.
	ErrConflict = errors.New("keyring: documents contradict each other")
	// ErrPermissions says that others can read or write the keyring's file.
	ErrPermissions = errors.New("keyring: file is open to others")
	// ErrExists says that a keyring is there already, where one was to be made.
	ErrExists = errors.New("keyring: exists already")
	// ErrNotFound says that there is no keyring yet.
	ErrNotFound = errors.New("keyring: not found")
	// ErrChanged says that somebody else changed the document in between; what
	// was to be saved is not saved. Doing it again is safe.
	ErrChanged = errors.New("keyring: document changed meanwhile")
	// ErrClosed answers calls after [Keyring.Close], and what needs a [Secret]
	// after [Secret.Close].
	ErrClosed = errors.New("keyring: closed")
	// ErrInvalid says that a caller's argument cannot be used; the error says why.
	ErrInvalid = errors.New("keyring: invalid argument")

	errSecret = fmt.Errorf("%w: the protector's secret was wiped", ErrClosed)
)
