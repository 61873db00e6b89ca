package diskcache

import (
	"errors"
	"fmt"
)

// The questions a caller asks of an error, through errors.Is.
var (
	// ErrMiss says that nothing usable is cached under the key: never
	// stored, dropped, evicted, expired, damaged or unreadable. A caller
	// does the same in every one of these cases, so there is one answer.
	ErrMiss = errors.New("diskcache: miss")

	// ErrClosed is an [ErrMiss] too: a request that outlives the cache
	// during shutdown needs no branch of its own.
	ErrClosed = fmt.Errorf("%w: the cache is closed", ErrMiss)

	// ErrGone is an [ErrMiss] too: what a [Reader] was reading has been
	// dropped, replaced, evicted or shredded meanwhile, or is damaged or
	// unreadable. Whoever needs the rest asks the source for that version.
	ErrGone = fmt.Errorf("%w: the entry went while it was read", ErrMiss)

	// ErrFenced says that the key was revoked or dropped, or everything
	// became suspect, after the fence was captured. Nothing was inserted.
	ErrFenced = errors.New("diskcache: the fence has moved, nothing was inserted")

	// ErrIncomplete says that a stream had another length than was declared.
	ErrIncomplete = errors.New("diskcache: the stream is not as long as was declared")

	// ErrInvalid says that a key, a version or a blob is outside its limits.
	ErrInvalid = errors.New("diskcache: invalid argument")

	// ErrTooLarge says that one record would take over half of MaxBytes.
	ErrTooLarge = errors.New("diskcache: record too large for this cache")

	// ErrLocked says that the folder is in use; the message names the
	// process that holds it.
	ErrLocked = errors.New("diskcache: folder in use")

	// ErrUnsafeFolder says that somebody else could write to the folder,
	// or owns it.
	ErrUnsafeFolder = errors.New("diskcache: unsafe folder")

	// ErrNotCacheFolder says that the folder holds files but not the
	// marker of a cache. Open empties folders, so it must not guess.
	ErrNotCacheFolder = errors.New("diskcache: not a cache folder")
)

// Reasons why a record cannot be used. They stay inside: outside there is
// only a miss.
var (
	errDamaged  = errors.New("diskcache: damaged record")
	errOtherKey = errors.New("diskcache: record of another key")
	errGone     = errors.New("diskcache: segment evicted")
	errShredded = errors.New("diskcache: the group's secret is destroyed")
)
