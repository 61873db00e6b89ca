package diskcache

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Segment files (number.seg) and drop files (number.drops) begin with 96 bytes:
//
//	 0   8  "HKCACHE" and the format's version, one byte
//	 8   8  be64 number of the file, also its name
//	16  32  file id, random
//	48   8  be64 sequence number when the file was made: everything in it is younger
//	56   1  queue: 0 probation, 1 main, 2 drops
//	57   1  1 if the file was made for one large record (apart.go), else 0
//	58   6  zero
//	64  28  nothing, sealed under the file's key: who has not the cache key cannot
//	        make a file whose number or sequence number is believed
//	92   4  zero
//
// The key is derived from the first 64 bytes, so none of them can be changed.
const (
	headerClear   = 64
	fileHeader    = 96
	segmentMagic  = "HKCACHE"
	formatVersion = 1
	segmentSuffix = ".seg"
	dropsSuffix   = ".drops"
)

// Queues of files.
const (
	probation = 0
	mainQueue = 1
	dropsFile = 2
)

// maxNumber is the highest number of a file; slots have 32 bits for it. Files
// hold some MaxBytes/512 on average, so a disk is worn out long before.
const maxNumber = 1<<32 - 2

type segmentHeader struct {
	number uint32
	id     [32]byte
	born   uint64
	queue  byte
	solo   bool
}

func newSegmentHeader(number uint32, born uint64, queue byte, solo bool) segmentHeader {
	h := segmentHeader{number: number, born: born, queue: queue, solo: solo}
	rand.Read(h.id[:]) // never fails: crypto/rand aborts the process instead
	return h
}

func (h *segmentHeader) clear() (b [headerClear]byte) {
	copy(b[:], segmentMagic)
	b[7] = formatVersion
	binary.BigEndian.PutUint64(b[8:], uint64(h.number))
	copy(b[16:], h.id[:])
	binary.BigEndian.PutUint64(b[48:], h.born)
	b[56] = h.queue
	if h.solo {
		b[57] = 1
	}
	return b
}

// aead returns what seals in the file, for those of a group or of none.
func (h *segmentHeader) aead(key *cacheKey, group ...byte) cipher.AEAD {
	b := h.clear()
	return key.aead("file "+string(b[:]), h.id[:], group...)
}

// seal returns the header as written.
func (h *segmentHeader) seal(aead cipher.AEAD) []byte {
	b := h.clear()
	out := aead.Seal(append(make([]byte, 0, fileHeader), b[:]...), nil, nil, nil)
	return append(out, 0, 0, 0, 0)
}

// openHeader checks the header of a file found under number.
func openHeader(key *cacheKey, b []byte, number uint32) (segmentHeader, cipher.AEAD, error) {
	if len(b) != fileHeader {
		return segmentHeader{}, nil, errDamaged
	}
	h := segmentHeader{
		number: number, born: binary.BigEndian.Uint64(b[48:]), queue: b[56], solo: b[57] == 1,
	}
	copy(h.id[:], b[16:])
	if clear := h.clear(); !bytes.Equal(clear[:], b[:headerClear]) || h.queue > dropsFile || string(b[92:]) != "\x00\x00\x00\x00" {
		return segmentHeader{}, nil, errDamaged
	}
	aead := h.aead(key)
	if _, err := aead.Open(nil, nil, b[headerClear:headerClear+sealOverhead], nil); err != nil {
		return segmentHeader{}, nil, errDamaged
	}
	return h, aead, nil
}

func (h *segmentHeader) name() string {
	if h.queue == dropsFile {
		return fmt.Sprintf("%08x%s", h.number, dropsSuffix)
	}
	return segmentName(h.number)
}

func segmentName(number uint32) string { return fmt.Sprintf("%08x%s", number, segmentSuffix) }

// parseName reads the name of a file of ours: a number, in 8 hexadecimal digits
// unless somebody else made it up.
func parseName(name string) (number uint64, drops, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		if digits, ok = strings.CutSuffix(name, dropsSuffix); !ok {
			return 0, false, false
		}
		drops = true
	}
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, drops, err == nil && fmt.Sprintf("%08x", number) == digits
}
