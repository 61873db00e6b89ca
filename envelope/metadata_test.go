package envelope

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"
)

// pairs encodes metadata as somebody could who does not keep to the format.
func pairs(size uint64, name string, keys ...string) []byte {
	b := binary.BigEndian.AppendUint64(nil, size)
	b, _ = appendShort(b, name)
	b = binary.BigEndian.AppendUint16(b, uint16(len(keys)))
	for _, key := range keys {
		b, _ = appendShort(b, key)
		b = append(binary.BigEndian.AppendUint32(b, 1), 'v')
	}
	return b
}

// TestMetadataHasOneEncoding: were there two, readers in two languages could come to
// two answers, as over a key that is there twice.
func TestMetadataHasOneEncoding(t *testing.T) {
	honest := pairs(5, "name", "a", "b")
	m, err := parseMetadata(honest)
	if err != nil || m.size != 5 || m.name != "name" || !maps.Equal(m.user, map[string]string{"a": "v", "b": "v"}) {
		t.Fatalf("%+v, %v", m, err)
	}
	for name, b := range map[string][]byte{
		"bytes behind":         append(slices.Clone(honest), 0),
		"keys descend":         pairs(5, "name", "b", "a"),
		"key twice":            pairs(5, "name", "a", "a"),
		"empty key twice":      pairs(5, "name", "", ""),
		"size of 2^63":         pairs(1<<63, ""),
		"size of 2^64 - 2":     pairs(math.MaxUint64-1, ""),
		"name that is no text": pairs(5, "\xff\xfe"),
		"key that is no text":  pairs(5, "", "\xc3"),
	} {
		if _, err := parseMetadata(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range honest {
		if _, err := parseMetadata(honest[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d of %d: %v", n, len(honest), err)
		}
	}
}

func TestEdgesOfTheSizeAreTaken(t *testing.T) {
	for _, size := range []uint64{0, math.MaxInt64, sizeUnknown} {
		if m, err := parseMetadata(pairs(size, "")); err != nil || m.size != size {
			t.Errorf("%d: %d, %v", size, m.size, err)
		}
	}
}

func TestWhatIsNoTextIsNotSealed(t *testing.T) {
	for name, o := range map[string]Options{
		"name": {Name: "\xff\xfe"}, "key": {Metadata: map[string]string{"\xff": "v"}}, "value": {Metadata: map[string]string{"k": "\xc3"}},
	} {
		if _, err := Seal(t.Context(), nil, nil, testRing, testBinding, o); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
