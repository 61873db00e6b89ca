package s3store

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

// What the cache keeps beside the data. What every hit needs is in the entry's
// version, which a cache hands out without copying it:
//
//	ETag || 0 || version id || 0 || 8 bytes that tell stores apart || 32 bytes of
//	object id || varint sealed size || varint Unix time of Modified
//
// The blob, of which every hit has a copy, holds metadata alone, and is empty
// without: uvarint number of pairs, the pairs ascending, each string behind its
// uvarint length. The group is the key that opens the envelope, as "name/version":
// when that is destroyed, so is the entry. What does not parse, as another release's,
// is a miss.

func storeMark(id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(sum[:8])
}

// groupOf names those entries that share the fate of a key. It is the one key by
// which the envelope was opened, or would be: of one with several slots, that under
// the first that is not destroyed. So when all of its keys are destroyed its entry is
// too, whichever went first; and when some are, it costs one fetch at most.
func groupOf(id envelope.KeyID) string { return id.String() }

// keyOf undoes groupOf.
func keyOf(group string) (id envelope.KeyID, ok bool) {
	i := strings.LastIndexByte(group, '/')
	if i < 0 {
		return id, false
	}
	version, err := strconv.ParseUint(group[i+1:], 10, 32)
	return envelope.KeyID{Name: group[:i], Version: uint32(version)}, err == nil
}

// entry is what the cache keeps of an object.
func (i Info) entry(mark string) diskcache.Meta {
	return diskcache.Meta{Version: i.entryVersion(mark), Group: groupOf(i.KeyID), Blob: metadataBlob(i.Metadata)}
}

func (i Info) entryVersion(mark string) string {
	b := make([]byte, 0, len(i.ETag)+len(i.Version)+2+len(mark)+len(i.ID)+2*binary.MaxVarintLen64)
	b = append(append(b, i.ETag...), 0)
	b = append(append(b, i.Version...), 0)
	b = append(append(b, mark...), i.ID[:]...)
	b = binary.AppendVarint(b, i.SealedSize)
	return string(binary.AppendVarint(b, i.Modified.Unix()))
}

func metadataBlob(m map[string]string) (b []byte) {
	if len(m) == 0 {
		return nil
	}
	b = binary.AppendUvarint(b, uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = appendString(appendString(b, k), m[k])
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// object makes an Object of a cache entry; false if the entry is another store's.
func object(key, mark string, e diskcache.Entry) (Object, bool) {
	i := Info{Key: key, Size: int64(e.Data.Len())}
	d := entryDecoder{rest: e.Version}
	i.ETag, i.Version = d.until(0), d.until(0)
	if d.take(len(mark)) != mark {
		return Object{}, false
	}
	copy(i.ID[:], d.take(len(i.ID)))
	i.SealedSize = d.varint()
	i.Modified = time.Unix(d.varint(), 0).UTC()
	known := false
	i.KeyID, known = keyOf(e.Group)
	if d.failed || !known || d.rest != "" {
		return Object{}, false
	}
	if len(e.Blob) > 0 {
		d.rest = string(e.Blob)
		i.Metadata = d.pairs()
	}
	return Object{Info: i, Data: e.Data}, !d.failed && d.rest == ""
}

// entryDecoder cuts fields off a string, without copying them; its first failure
// sticks.
type entryDecoder struct {
	rest   string
	failed bool
}

func (d *entryDecoder) fail() { d.failed, d.rest = true, "" }

func (d *entryDecoder) until(end byte) string {
	i := strings.IndexByte(d.rest, end)
	if i < 0 {
		d.fail()
		return ""
	}
	s := d.rest[:i]
	d.rest = d.rest[i+1:]
	return s
}

func (d *entryDecoder) take(n int) string {
	if n < 0 || n > len(d.rest) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *entryDecoder) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64; i++ {
		c := d.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			return v
		}
	}
	d.fail()
	return 0
}

// varint is the zigzag form of encoding/binary.
func (d *entryDecoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *entryDecoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	return d.take(int(n))
}

func (d *entryDecoder) pairs() map[string]string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) { // a pair has two bytes at least
		d.fail()
		return nil
	}
	m := make(map[string]string, n)
	for ; n > 0 && !d.failed; n-- {
		k := d.string()
		m[k] = d.string()
	}
	return m
}
