package keyring

import "context"

// Storage keeps one document. Safe for concurrent use, also by other processes.
type Storage interface {
	// Load returns the document and its revision, an opaque string. Without a
	// document it answers [ErrNotFound].
	Load(ctx context.Context) (doc []byte, revision string, err error)
	// Save replaces the document if its revision is still the given one ("": if
	// there is none), whole or not at all, durably. Otherwise it answers
	// [ErrChanged].
	Save(ctx context.Context, doc []byte, revision string) error
}

// History is a [Storage] in which older documents may be left: a versioned
// bucket's, or those of saves that did not come to their end. A destroyed key is
// still in them.
type History interface {
	// RemoveOld removes all but the current document, and nothing that another
	// process is just about to save.
	RemoveOld(ctx context.Context) error
}
