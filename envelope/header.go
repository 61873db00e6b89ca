package envelope

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

const (
	magic   = "hipaakit"
	version = 1

	codecZstd = 0
	codecNone = 1

	objectIDSize = 32
	prefixSize   = len(magic) + 1 + 1 + 2 + 4 + objectIDSize
	slotsAt      = prefixSize + 4 + 4 + 2
	macSize      = sha512.Size384
	maxSlots     = 16

	maxHeader   = slotsAt + maxSlots*(maxKeyName+slotFixedSize) + macSize
	minHeader   = slotsAt + 1 + slotFixedSize + macSize
	maxMetadata = 64 << 10

	// maxEmptyReads in a row make a reader one that never gets on, as in bufio.
	maxEmptyReads = 100

	// MaxHeaderSize bounds what precedes the segments: the first MaxHeaderSize
	// bytes of an envelope are always enough for [NewReader] and [Reader.Info].
	MaxHeaderSize = maxHeader + maxMetadata + floe.HeaderSize
)

// ObjectID is the random identity of one sealing. It stays when an envelope is
// re-wrapped, and is in the clear.
type ObjectID [objectIDSize]byte

// String is the id in hexadecimal.
func (id ObjectID) String() string { return hex.EncodeToString(id[:]) }

// prefix is the part of a header that never changes: FLOE's and the metadata's
// associated data.
type prefix struct {
	codec         byte
	flags         uint16
	segmentLength uint32
	id            ObjectID
}

func newPrefix(o Options) prefix {
	p := prefix{codec: o.Compression.codec(), segmentLength: uint32(o.SegmentLength)}
	if o.Pad {
		p.flags |= flagPadded
	}
	rand.Read(p.id[:])
	return p
}

func (p prefix) encode() []byte { return p.append(make([]byte, 0, prefixSize)) }

func (p prefix) append(b []byte) []byte {
	b = append(b, magic...)
	b = append(b, version, p.codec)
	b = binary.BigEndian.AppendUint16(b, p.flags)
	b = binary.BigEndian.AppendUint32(b, p.segmentLength)
	return append(b, p.id[:]...)
}

func parsePrefix(b []byte) (prefix, error) {
	flags := binary.BigEndian.Uint16(b[10:])
	switch {
	case string(b[:len(magic)]) != magic:
		return prefix{}, ErrNotEnvelope
	case b[8] != version:
		return prefix{}, fmt.Errorf("%w: version %d", ErrUnsupported, b[8])
	case b[9] > codecNone:
		return prefix{}, fmt.Errorf("%w: codec %d", ErrUnsupported, b[9])
	case flags&^flagPadded != 0:
		return prefix{}, fmt.Errorf("%w: critical flags %#04x", ErrUnsupported, flags&^flagPadded)
	}
	p := prefix{codec: b[9], flags: flags, segmentLength: binary.BigEndian.Uint32(b[12:])}
	copy(p.id[:], b[16:])
	return p, nil
}

func (p prefix) padded() bool { return p.flags&flagPadded != 0 }

// header is everything before the segments, as read or as to be written.
type header struct {
	prefix   prefix
	slots    []slot
	mac      []byte
	metadata []byte // sealed
	floe     []byte
}

// encodeSigned is every header byte that the MAC covers.
func (h *header) encodeSigned() []byte {
	b := make([]byte, 0, slotsAt+len(h.slots)*(maxKeyName+slotFixedSize)+macSize+len(h.metadata)+len(h.floe))
	b = append(h.prefix.append(b), make([]byte, 8)...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.slots)))
	for _, s := range h.slots {
		b = s.append(b)
	}
	binary.BigEndian.PutUint32(b[prefixSize:], uint32(len(b)+macSize))
	binary.BigEndian.PutUint32(b[prefixSize+4:], uint32(len(h.metadata)))
	return b
}

// encode is all that precedes the segments. sign must have been called.
func (h *header) encode() []byte {
	b := append(h.encodeSigned(), h.mac...)
	b = append(b, h.metadata...)
	return append(b, h.floe...)
}

func (h *header) computeMAC(k *dataKey, binding [sha256.Size]byte) []byte {
	var key [macSize]byte
	defer clear(key[:])
	k.Into(key[:], labelHeader)
	mac := hmac.New(sha512.New384, key[:])
	mac.Write(h.encodeSigned())
	mac.Write(h.metadata)
	mac.Write(h.floe)
	mac.Write(binding[:])
	return mac.Sum(nil)
}

func (h *header) sign(k *dataKey, binding [sha256.Size]byte) { h.mac = h.computeMAC(k, binding) }

func (h *header) verify(k *dataKey, binding [sha256.Size]byte) error {
	if !hmac.Equal(h.computeMAC(k, binding), h.mac) {
		return fmt.Errorf("%w: header", ErrCorrupt)
	}
	return nil
}

// readHeader reads exactly the bytes before the first segment. Nothing in it is
// verified yet; its lengths are bounded before they are believed.
func readHeader(r io.Reader) (*header, error) {
	b := make([]byte, slotsAt, minHeader)
	if n, err := readPart(r, b); errors.Is(err, ErrCorrupt) && !strings.HasPrefix(magic, string(b[:min(n, len(magic))])) {
		return nil, ErrNotEnvelope // and too short for one
	} else if err != nil {
		return nil, err
	}
	p, err := parsePrefix(b)
	if err != nil {
		return nil, err
	}
	headerLength := binary.BigEndian.Uint32(b[prefixSize:])
	metadataLength := binary.BigEndian.Uint32(b[prefixSize+4:])
	if headerLength < uint32(minHeader) || headerLength > uint32(maxHeader) ||
		metadataLength < gcmOverhead || metadataLength > maxMetadata {
		return nil, fmt.Errorf("%w: header lengths", ErrCorrupt)
	}
	rest := make([]byte, int(headerLength)-slotsAt+int(metadataLength)+floe.HeaderSize)
	if _, err := readPart(r, rest); err != nil {
		return nil, err
	}
	slotBytes := rest[:int(headerLength)-slotsAt-macSize]
	rest = rest[len(slotBytes):]
	h := &header{prefix: p, mac: rest[:macSize], metadata: rest[macSize : macSize+int(metadataLength)]}
	h.floe = rest[macSize+int(metadataLength):]
	h.slots, err = parseSlots(slotBytes, int(binary.BigEndian.Uint16(b[slotsAt-2:])))
	return h, err
}

// readPart fills b. It does not use io.ReadFull, whose io.ErrUnexpectedEOF is also
// what a connection that broke answers: that is no damage, and another try helps.
func readPart(r io.Reader, b []byte) (n int, err error) {
	for empty := 0; n < len(b); {
		m, err := r.Read(b[n:])
		n += m
		if m > 0 {
			empty = 0
		} else if empty++; err == nil && empty == maxEmptyReads {
			err = io.ErrNoProgress
		}
		switch {
		case err == nil || n == len(b):
		case err == io.EOF:
			return n, fmt.Errorf("%w: cut off in the header", ErrCorrupt)
		default:
			return n, fmt.Errorf("envelope: reading the header: %w", err)
		}
	}
	return n, nil
}
