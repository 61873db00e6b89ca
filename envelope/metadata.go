package envelope

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

const sizeUnknown = math.MaxUint64

// metadata is what an envelope says about its data to whoever holds a key.
type metadata struct {
	size uint64 // of the data; sizeUnknown
	name string
	user map[string]string
}

func (m metadata) encode() ([]byte, error) {
	if !m.isText() {
		return nil, fmt.Errorf("%w: name and metadata must be UTF-8", ErrInvalid)
	}
	b := make([]byte, 0, 256) // enough for most
	b = binary.BigEndian.AppendUint64(b, m.size)
	b, ok := appendShort(b, m.name)
	if !ok || len(m.user) > math.MaxUint16 {
		return nil, errMetadataTooLong
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.user)))
	for _, key := range slices.Sorted(maps.Keys(m.user)) {
		if b, ok = appendShort(b, key); !ok {
			return nil, errMetadataTooLong
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(m.user[key])))
		b = append(b, m.user[key]...)
	}
	if len(b)+gcmOverhead > maxMetadata {
		return nil, errMetadataTooLong
	}
	return b, nil
}

// isText keeps decoders in languages whose strings are text from choking.
func (m metadata) isText() bool {
	for key, value := range m.user {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return false
		}
	}
	return utf8.ValidString(m.name)
}

var errMetadataTooLong = fmt.Errorf("%w: name and metadata exceed %d bytes", ErrInvalid, maxMetadata)

func appendShort(b []byte, s string) ([]byte, bool) {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...), len(s) <= math.MaxUint16
}

func parseMetadata(b []byte) (metadata, error) {
	d := decoder{rest: b}
	m := metadata{size: d.uint(8), name: d.bytes(d.uint(2))}
	if n := d.uint(2); n > 0 && !d.failed {
		m.user = make(map[string]string)
		last := ""
		for i := range n {
			key := d.bytes(d.uint(2))
			value := d.bytes(d.uint(4))
			if d.failed || i > 0 && key <= last {
				return metadata{}, errMetadataFormat
			}
			m.user[key], last = value, key
		}
	}
	if d.failed || !m.isText() || len(d.rest) > 0 || m.size > math.MaxInt64 && m.size != sizeUnknown {
		return metadata{}, errMetadataFormat
	}
	return m, nil
}

var errMetadataFormat = fmt.Errorf("%w: metadata", ErrCorrupt)

// decoder cuts big-endian fields off a slice; its first failure sticks.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) bytes(n uint64) string {
	if d.failed || n > uint64(len(d.rest)) {
		d.failed = true
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) uint(size uint64) (v uint64) {
	for _, c := range []byte(d.bytes(size)) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (m metadata) seal(k *dataKey, prefix []byte) ([]byte, error) {
	plain, err := m.encode()
	if err != nil {
		return nil, err
	}
	aead, err := k.aead(labelMetadata)
	if err != nil {
		return nil, err
	}
	return aead.Seal(make([]byte, 0, len(plain)+gcmOverhead), nil, plain, prefix), nil
}

func openMetadata(k *dataKey, sealed, prefix []byte) (metadata, error) {
	aead, err := k.aead(labelMetadata)
	if err != nil {
		return metadata{}, err
	}
	plain, err := aead.Open(nil, nil, sealed, prefix)
	if err != nil {
		return metadata{}, errMetadataFormat
	}
	return parseMetadata(plain)
}
