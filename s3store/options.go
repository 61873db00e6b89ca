package s3store

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

const (
	defaultMaxInMemory = 32 << 20
	defaultLandingTime = time.Minute
	defaultCallTimeout = 30 * time.Second
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
	// MaxObject bounds the data of one object in bytes; more is [ErrTooLarge].
	// Default: the 48.8 TiB that S3 takes.
	MaxObject int64
	// MaxInMemory bounds the data of one object that is held in memory whole, in
	// bytes: what Get returns, and what Put and Get keep for the cache's memory. Larger
	// objects are [ErrTooLarge] for Get, are read with Open, and cached as streams.
	// Default 32 MiB.
	MaxInMemory int64
	// LandingTime is how long a request whose answer was lost can still take
	// effect. Default 1 minute.
	LandingTime time.Duration
	// CallTimeout bounds each request to S3, and once more for every 8 MiB that it
	// moves. What takes longer counts as unanswered. Default 30 s.
	CallTimeout time.Duration
	// StaleIfUnavailable lets Get, Stat and Open serve a cached entry that could not
	// be confirmed, because S3 cannot be reached; it is marked ([Info.Stale]). It
	// gives up every promise about old data while S3 is away. Default: an error.
	StaleIfUnavailable bool
	// Logger receives what nobody is told otherwise, as a cache that fails.
	// Default: slog.Default().
	Logger *slog.Logger

	alone bool
	plan  plan          // zero: S3's limits; tests have smaller ones
	pause time.Duration // zero: firstPause
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
	// IfAbsent writes only if there is no object of that key; otherwise [ErrExists].
	IfAbsent bool
	// IfMatch writes only if the object's ETag is still this one; otherwise
	// [ErrChanged], also when there is no object.
	IfMatch string
	// Size of the data in bytes, if it is known and more than 16 TiB: parts of the
	// right size are chosen then. A difference is [ErrSource]. Default: what the
	// reader tells (Len, or a file's length), else it is learned on the way.
	Size int64
	// Progress is told how far the upload is, on the goroutine that called.
	Progress func(Progress)
}

// Progress is how far a transfer is, in bytes.
type Progress struct {
	Data   int64 // of the object's data, read from the source or handed out
	Size   int64 // of the data in all; -1: not known
	Sealed int64 // of the envelope, that S3 has acknowledged or sent
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxObject == 0 {
		o.MaxObject = envelope.MaxSize
	}
	if o.MaxInMemory == 0 {
		o.MaxInMemory = defaultMaxInMemory
	}
	if o.LandingTime == 0 {
		o.LandingTime = defaultLandingTime
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = defaultCallTimeout
	}
	if o.Coherence == nil {
		o.Coherence, o.alone = alone{}, true
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.plan == (plan{}) {
		o.plan = s3Plan
	}
	switch {
	case o.MaxObject < 0 || o.MaxObject > envelope.MaxSize:
		return o, fmt.Errorf("%w: MaxObject is 1 to %d bytes, 0 for the default", ErrInvalid, int64(envelope.MaxSize))
	case o.MaxInMemory < 0 || o.MaxInMemory > 4<<30:
		return o, fmt.Errorf("%w: MaxInMemory is 1 byte to 4 GiB, 0 for the default", ErrInvalid)
	case o.LandingTime < 0:
		return o, fmt.Errorf("%w: LandingTime is negative, use 0 for the default", ErrInvalid)
	case o.CallTimeout < 0:
		return o, fmt.Errorf("%w: CallTimeout is negative, use 0 for the default", ErrInvalid)
	}
	return o, nil
}
