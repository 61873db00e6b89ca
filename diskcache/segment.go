package diskcache

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// A segment file is a header of 64 bytes and records, one after the other:
//
//	 0   8  "HKCACHE" and the format's version, one byte
//	 8   8  be64 number of the file, also its name; files are created in this order
//	16  32  file id, random
//	48   1  1 if the file was made for one large record, else 0
//	49  15  zero
//
// A record is never overwritten; files are deleted whole. The header is
// authenticated by the key derived from it: if a bit changes, no record opens.
const (
	segmentHeaderBytes = 64
	segmentMagic       = "HKCACHE"
	formatVersion      = 1
	segmentSuffix      = ".seg"
)

type segmentHeader struct {
	number uint64
	id     [32]byte
	solo   bool
}

func newSegmentHeader(number uint64, solo bool) segmentHeader {
	h := segmentHeader{number: number, solo: solo}
	rand.Read(h.id[:]) // never fails: crypto/rand aborts the process instead
	return h
}

func (h *segmentHeader) bytes() (b [segmentHeaderBytes]byte) {
	copy(b[:], segmentMagic)
	b[7] = formatVersion
	binary.BigEndian.PutUint64(b[8:], h.number)
	copy(b[16:], h.id[:])
	if h.solo {
		b[48] = 1
	}
	return b
}

func parseSegmentHeader(b []byte) (segmentHeader, bool) {
	if len(b) != segmentHeaderBytes || b[48] > 1 {
		return segmentHeader{}, false
	}
	h := segmentHeader{number: binary.BigEndian.Uint64(b[8:]), solo: b[48] == 1}
	copy(h.id[:], b[16:])
	return h, h.bytes() == [segmentHeaderBytes]byte(b)
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, segmentSuffix) }

func parseSegmentName(name string) (number uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, err == nil && segmentName(number) == name
}

// file is what the cache needs of an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Close() error
}

// segment is an open segment file. The descriptor stays open as long as
// anybody holds a reference: opening a file for each hit would cost four times
// as much as the read itself.
type segment struct {
	segmentHeader
	aead cipher.AEAD
	f    file
	refs atomic.Int64 // the table's one, and one for every user

	size int64 // guarded by disk.mu

	mu     sync.Mutex
	gone   bool     // evicted; nothing may be indexed in it any more
	hashes []uint64 // whose slots point here, or once did
}

func newSegment(key *cacheKey, h segmentHeader, f file) (*segment, error) {
	aead, err := newAEAD(key, &h)
	if err != nil {
		return nil, err
	}
	s := &segment{segmentHeader: h, aead: aead, f: f, size: segmentHeaderBytes}
	s.refs.Store(1)
	return s, nil
}

// release gives a reference back. The last one closes the file, which by
// then has been deleted, or the cache is closing: nothing to report to.
func (s *segment) release() {
	if s.refs.Add(-1) == 0 {
		_ = s.f.Close()
	}
}

// note remembers that a slot points here. It is false once the segment has
// been evicted: the eviction has seen its hashes and would miss this one.
func (s *segment) note(hash uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false
	}
	s.hashes = append(s.hashes, hash)
	return true
}

// retire marks the segment as evicted and returns the hashes to forget.
func (s *segment) retire() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	hashes := s.hashes
	s.gone, s.hashes = true, nil
	return hashes
}

// readAt fills b. A file that ends too early is damage, not trouble with the
// disk.
func (s *segment) readAt(b []byte, off int64) error {
	_, err := s.f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}

// openMeta opens the sealed metadata at p into buf.
func (s *segment) openMeta(p place, sealed, aad, buf []byte) (record, []byte, error) {
	meta, err := s.aead.Open(buf[:0], nil, sealed, p.appendAAD(aad[:0], labelMeta))
	if err != nil {
		return record{}, nil, errDamaged
	}
	r, ok := parseRecord(meta)
	if !ok || sealedBytes(r.encoded) != p.body {
		return record{}, nil, errDamaged
	}
	return r, meta, nil
}

// readHeader reads and checks the header of a file found under number.
func readHeader(f file, number uint64) (segmentHeader, error) {
	var b [segmentHeaderBytes]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return segmentHeader{}, err
	}
	h, ok := parseSegmentHeader(b[:])
	if !ok || h.number != number {
		return segmentHeader{}, errDamaged
	}
	return h, nil
}
