package diskcache

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Options for [Open]. The zero value is a working cache whose key lives in
// memory only, so that it starts empty in every process.
type Options struct {
	// MaxBytes bounds what the folder takes on disk, in bytes, every file rounded
	// up to 4 KiB. Default 10 GiB, at least 1 MiB. Less is taken where otherwise
	// less than 5 % of the file system were free.
	MaxBytes int64

	// MemoryBytes bounds the plaintext kept in memory, in bytes, overhead
	// included. Default 256 MiB; negative: no memory tier. An entry above a
	// quarter of it is served from disk every time.
	MemoryBytes int64

	// MaxAge is how long an entry may be served after it was stored.
	// Default 365 days. Checked when the entry is read.
	MaxAge time.Duration

	// Keys protects the cache key, so that a restarted process can read the
	// folder. Nil: the key is never written anywhere, and Open empties the
	// folder.
	Keys KeyWrapper

	// Logger receives what an operator should know (started empty, disk
	// full). No record names one of the caller's keys. Default slog.Default().
	Logger *slog.Logger

	// For tests: wrap puts a faulty layer between the cache and its files, hash
	// replaces the keyed hash, statfs what the file system says.
	wrap   func(file) file
	hash   func(key string) uint64
	statfs func() (total, free int64, err error)
}

// KeyWrapper encrypts the 32-byte cache key for storage beside the data. An
// application's keyring implements it. Both methods must authenticate what
// they wrap. They are called by [Open] and, to wrap, by [Cache.Shred].
//
// A slice that is passed is not to be kept; one that is returned is copied and left
// alone. Both methods should return when ctx is done, after 10 s at the latest. Nobody
// waits for one that does not, but nothing can stop it either: the goroutine it runs on
// is then left behind until it returns, also by [Cache.Close].
type KeyWrapper interface {
	WrapKey(ctx context.Context, key []byte) ([]byte, error)
	UnwrapKey(ctx context.Context, wrapped []byte) ([]byte, error)
}

const (
	defaultMaxBytes    = 10 << 30
	defaultMemoryBytes = 256 << 20
	defaultMaxAge      = 365 * 24 * time.Hour

	minMaxBytes = 1 << 20
)

func (o Options) withDefaults() (Options, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemoryBytes
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultMaxAge
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.wrap == nil {
		o.wrap = func(f file) file { return f }
	}
	if o.MaxBytes < minMaxBytes {
		return o, fmt.Errorf("%w: MaxBytes is %d, use at least %d, or 0 for the default", ErrInvalid, o.MaxBytes, minMaxBytes)
	}
	if o.MaxAge < 0 {
		return o, fmt.Errorf("%w: MaxAge is negative, use 0 for the default", ErrInvalid)
	}
	return o, nil
}

// segmentBytes cuts the disk into about 256 segments. Every segment costs
// one open file, so the number of descriptors stays in the hundreds whether
// the disk has a gigabyte or half a terabyte. The upper bound keeps the seals of
// one key few, and what one emergency throws away small.
func (o Options) segmentBytes() int64 {
	return min(max(o.MaxBytes/256, 16<<10), 1<<30)
}
