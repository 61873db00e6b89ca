package s3store

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

const (
	defaultMaxObject   = 1 << 30
	largestObject      = 5 << 30 // S3's limit for one PUT
	defaultLandingTime = time.Minute
)

// Options says how a store works. The zero value is a store of one node, without
// a cache, with SSE-S3 behind the client's own encryption.
type Options struct {
	// Cache keeps what was read and written. It belongs to this store alone and
	// is closed by whoever opened it, after the store. Default: none.
	Cache *diskcache.Cache
	// Coherence joins the nodes that share the bucket. Default: this node is
	// alone, and suspects what it has cached once more LandingTime after its start:
	// a write of a process before it may have landed until then.
	Coherence Coherence
	// ServerSide is S3's own encryption. Default: SSE-S3 (AES256).
	ServerSide ServerSideEncryption
	// MaxObject bounds the data of one object in bytes, since it is held in
	// memory. Default 1 GiB, at most 5 GiB; more is [ErrTooLarge].
	MaxObject int64
	// LandingTime is how long a request whose answer was lost can still take
	// effect. Default 1 minute.
	LandingTime time.Duration
	// Logger receives what nobody is told otherwise, as a cache that fails.
	// Default: slog.Default().
	Logger *slog.Logger

	alone bool
}

// ServerSideEncryption is the second layer: SSE-S3 as zero value, or SSE-KMS.
// There is no way to switch it off.
type ServerSideEncryption struct {
	// KMSKeyID, if not empty, is the KMS key (id, ARN or alias) of SSE-KMS.
	KMSKeyID string
}

// PutOptions says how one object is sealed. The zero value is good.
type PutOptions struct {
	// Metadata is sealed with the object; S3 never sees it. At most 64 KiB with
	// the key.
	Metadata map[string]string
	// Compression defaults to the fastest.
	Compression envelope.Compression
	// Keys names the keyring's keys that shall open the object. Default:
	// envelope.DefaultKey.
	Keys []string
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxObject == 0 {
		o.MaxObject = defaultMaxObject
	}
	if o.LandingTime == 0 {
		o.LandingTime = defaultLandingTime
	}
	if o.Coherence == nil {
		o.Coherence, o.alone = alone{}, true
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	switch {
	case o.MaxObject < 0 || o.MaxObject > largestObject:
		return o, fmt.Errorf("%w: MaxObject is 1 to %d bytes, 0 for the default", ErrInvalid, int64(largestObject))
	case o.LandingTime < 0:
		return o, fmt.Errorf("%w: LandingTime is negative, use 0 for the default", ErrInvalid)
	}
	return o, nil
}
