package diskcache

import (
	"crypto/cipher"
	"errors"
	"io"
	"sync/atomic"
)

// file is what a segment needs of its file. Tests put faulty ones in between.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// segment is an open segment file. A record in it is never overwritten; files are
// deleted whole.
type segment struct {
	segmentHeader
	aead cipher.AEAD // for entries of no group
	f    file

	// refs counts the table and every reader; the last one closes the file, so
	// that an eviction waits for nobody.
	refs atomic.Int32

	// end is where a large record ends, from when it is complete.
	end atomic.Int64

	// writing: it is a large record's that is not complete yet. Nobody evicts it.
	writing atomic.Bool

	// The rest belongs to the disk's gate.
	q       int     // queue it is in; large records change theirs
	size    int64   // bytes written, or promised to a record being written
	claimed int64   // what the disk counts: size, blocks and trailer to come, rounded up
	pending []entry // of records not yet in a block
	last    int64   // offset of the newest index block; 0: none
	records int
	highest uint64 // sequence number
	sealed  bool   // has a trailer and takes no more records
	loading bool   // found at Open and not yet loaded: its blocks are not known

	// original is the file that reclaiming has copied from to here, last; those before
	// it are gone. While it is there, whoever deletes a copy leaves a stray.
	original uint32

	// As survey found it, and not changed after: the offset of the last block, if
	// the segment is written on, and the length without its trailer.
	found, foundSize int64
}

func newSegment(h segmentHeader, aead cipher.AEAD, f file) *segment {
	s := &segment{segmentHeader: h, aead: aead, f: f, q: int(h.queue), size: fileHeader, highest: h.born}
	s.refs.Store(1)
	return s
}

// acquire takes a reference; it is false once the last has been given back.
func (s *segment) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a reference back. The last one closes the file, which by then has
// been deleted, or the cache is closing: nothing to report to.
func (s *segment) release() {
	if s.refs.Add(-1) == 0 {
		_ = s.f.Close()
	}
}

// claim is what the file takes on a disk of 4 KiB blocks once it is sealed.
func (s *segment) claim() int64 {
	size := s.size
	if len(s.pending) > 0 {
		size += headerBytes + sealOverhead + int64(len(s.pending))*entryBytes
	}
	if !s.sealed {
		size += trailerBytes
	}
	return footprint(size)
}

// footprint is what a file of size bytes takes on a disk of 4 KiB blocks.
func footprint(size int64) int64 { return (size + diskBlock - 1) / diskBlock * diskBlock }

const diskBlock = 4096

// full reports whether a record of n bytes should go elsewhere.
func (s *segment) full(n, limit int64) bool {
	return s.records >= maxRecords || s.size+n > limit && s.records > 0
}

// maxRecords bounds how much a scan after a crash has to read, and how many
// messages one key seals.
const maxRecords = 1 << 18

// readAt fills b. A file that ends too early is damage, not trouble with the
// disk.
func (s *segment) readAt(b []byte, off int64) error {
	_, err := s.f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}
