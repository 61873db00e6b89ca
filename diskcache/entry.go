package diskcache

import (
	"fmt"
	"log/slog"
	"time"
)

// Limits of what belongs to one entry, in bytes. They bound how much a scan
// has to read before it can tell a record from noise.
const (
	maxKey     = 4096
	maxVersion = 1024
	maxGroup   = 1024
	maxBlob    = 64 << 10
)

// Meta is what the caller stores beside the data.
type Meta struct {
	// Version identifies the data, for example S3's ETag. At most 1 KiB.
	// It is compared for equality and never ordered.
	Version string

	// Group names those with whom the entry shares its fate, for example a
	// patient or a tenant: see [Cache.ShredGroup]. Empty: none. At most 1 KiB.
	Group string

	// Blob is the caller's own, at most 64 KiB. Every Get returns a copy.
	Blob []byte
}

// Entry is what [Cache.Get] found. It is a copy; Data alone is shared.
type Entry struct {
	Meta
	Data   View
	Stored time.Time // when Put stored it, by this machine's clock

	// Suspect entries were found on disk at start, or are older than the
	// last call of [Cache.Suspect]. They must not be used before the
	// source has confirmed that Version is current; see [Cache.Confirm].
	Suspect bool
}

// Format implements fmt.Formatter: blob and group may hold PHI and are not shown.
// An Entry prints the same way.
func (m Meta) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "diskcache.Meta(version %q, blob of %d bytes)", m.Version, len(m.Blob))
}

// LogValue implements slog.LogValuer, for the reason that Format exists:
// a JSON handler would encode the blob.
func (m Meta) LogValue() slog.Value {
	return slog.GroupValue(slog.String("version", m.Version), slog.Int("blob_bytes", len(m.Blob)))
}

func checkEntry(key string, m Meta) error {
	switch {
	case key == "" || len(key) > maxKey:
		return fmt.Errorf("%w: a key has 1 to %d bytes, this one has %d", ErrInvalid, maxKey, len(key))
	case len(m.Version) > maxVersion:
		return fmt.Errorf("%w: a version has at most %d bytes, this one has %d", ErrInvalid, maxVersion, len(m.Version))
	case len(m.Group) > maxGroup:
		return fmt.Errorf("%w: a group has at most %d bytes, this one has %d", ErrInvalid, maxGroup, len(m.Group))
	case len(m.Blob) > maxBlob:
		return fmt.Errorf("%w: a blob has at most %d bytes, this one has %d; store it as data", ErrInvalid, maxBlob, len(m.Blob))
	}
	return nil
}
