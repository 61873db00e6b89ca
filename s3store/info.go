package s3store

import (
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

// Info is what the store knows of an object without its data.
type Info struct {
	Key        string
	ETag       string            // S3's, opaque: compare for equality only
	Version    string            // S3's version id; empty if the bucket keeps no versions
	Size       int64             // of the data, in bytes
	SealedSize int64             // of the envelope in S3, in bytes
	Modified   time.Time         // by S3's clock, to the second
	ID         envelope.ObjectID // of this sealing; stays when the object is re-wrapped or restored
	KeyID      envelope.KeyID    // of the keyring's key that opens it
	Metadata   map[string]string // as sealed
	Stale      bool              // served because of [Options.StaleIfUnavailable], unconfirmed
}

// Object is an object with its data.
type Object struct {
	Info
	// Data is shared with the cache; its type keeps it from being changed.
	Data diskcache.View
}
