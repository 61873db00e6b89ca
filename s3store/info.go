package s3store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
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
	Metadata   map[string]string // as sealed
	Stale      bool              // served because of [Options.StaleIfUnavailable], unconfirmed
}

// Object is an object with its data.
type Object struct {
	Info
	// Data is shared with the cache; its type keeps it from being changed.
	Data diskcache.View
}

// The cache's blob of an entry: 8 bytes that tell stores apart, then varints and
// length-prefixed strings: sealed size, Unix time of Modified, version, 32 bytes of
// object id without a length, number of metadata pairs, the pairs. What does not parse, as another release's, is a miss.

func storeMark(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:8]
}

func (i Info) blob(mark []byte) []byte {
	b := slices.Clone(mark)
	b = binary.AppendVarint(b, i.SealedSize)
	b = binary.AppendVarint(b, i.Modified.Unix())
	b = append(appendString(b, i.Version), i.ID[:]...)
	b = binary.AppendUvarint(b, uint64(len(i.Metadata)))
	for _, k := range slices.Sorted(maps.Keys(i.Metadata)) {
		b = appendString(appendString(b, k), i.Metadata[k])
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// object makes an Object of a cache entry; false if the entry is another store's.
func object(key string, mark []byte, e diskcache.Entry) (Object, bool) {
	rest, ok := bytes.CutPrefix(e.Blob, mark)
	if !ok {
		return Object{}, false
	}
	d := blobDecoder{rest: rest}
	i := Info{Key: key, ETag: e.Version, Size: int64(e.Data.Len())}
	i.SealedSize = d.varint()
	i.Modified = time.Unix(d.varint(), 0).UTC()
	i.Version = d.string()
	copy(i.ID[:], d.bytes(uint64(len(i.ID))))
	if n := d.uvarint(); n > 0 {
		i.Metadata = make(map[string]string)
		for ; n > 0 && !d.failed; n-- {
			k := d.string()
			i.Metadata[k] = d.string()
		}
	}
	return Object{Info: i, Data: e.Data}, !d.failed && len(d.rest) == 0
}

// blobDecoder cuts fields off a slice; its first failure sticks.
type blobDecoder struct {
	rest   []byte
	failed bool
}

func (d *blobDecoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	d.skip(n)
	return v
}

func (d *blobDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.skip(n)
	return v
}

func (d *blobDecoder) skip(n int) {
	if n <= 0 {
		d.failed, d.rest = true, nil
		return
	}
	d.rest = d.rest[n:]
}

func (d *blobDecoder) string() string { return string(d.bytes(d.uvarint())) }

func (d *blobDecoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.failed, d.rest = true, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}
