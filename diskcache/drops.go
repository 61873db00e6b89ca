package diskcache

import (
	"cmp"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"slices"
)

// A drop file is a header (header.go) and frames of 45 bytes, each sealed under
// the file's key with 'd' || be64 offset of the frame as associated data:
//
//	0  1  1: every record of the hash with a lower sequence number is void
//	      2: every record with a lower sequence number is void
//	1  8  be64 hash of the key
//	9  8  be64 sequence number
//
// Drops have files of their own, because segments are not evicted in the order in
// which they were written: a drop must outlive every record that it voids. A drop
// file goes when every segment is younger than its last drop.
const (
	frameDrop    = 1
	frameDropAll = 2
	framePlain   = 17
	frameBytes   = framePlain + sealOverhead

	dropsBytes = 4 << 20 // of one file
)

// drops is the set of drop files. It belongs to the disk's gate.
type drops struct {
	files []*dropFile // oldest first
	bytes int64       // rounded up to blocks
}

type dropFile struct {
	segmentHeader
	aead    cipher.AEAD
	f       file // nil: complete
	size    int64
	highest uint64 // sequence number when its last frame was written, or later
}

func (f *dropFile) aad(off int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{'d'}, uint64(off))
}

// drop notes that every record of the hash written so far is void.
func (d *disk) drop(hash uint64) error { return d.void(hash, 0) }

// voidRecord notes that a record is void, and every older one of its hash. One that
// is newer is not.
func (d *disk) voidRecord(hash, seq uint64) { _ = d.void(hash, seq+1) }

// void notes that every record with a lower sequence number than below is void; 0: all.
func (d *disk) void(hash, below uint64) error {
	err := d.guard(func() error { return d.dropChecked(frameDrop, hash, below) })
	if err != nil {
		d.strays.add(hash)
	}
	return err
}

func (d *disk) dropChecked(kind byte, hash, below uint64) error {
	if !d.gate.tryLock() {
		return errStalled
	}
	defer d.gate.unlock()
	if d.closed {
		return ErrClosed
	}
	return d.dropLocked(kind, hash, below)
}

// dropLocked needs the gate. On a full disk it evicts and tries once more.
func (d *disk) dropLocked(kind byte, hash, below uint64) error {
	d.roomForDrop()
	err := d.frame(kind, hash, below)
	if isFull(err) && d.evictNow(nil) {
		err = d.frame(kind, hash, below)
	}
	if err != nil {
		return d.failed(err)
	}
	return nil
}

// roomForDrop keeps drops within their bound where nothing is put. They take an
// eighth of the room at most.
func (d *disk) roomForDrop() {
	limit := d.room()
	switch {
	case d.drops.bytes > limit/8:
		d.evictForDrops()
	case d.bytes+diskBlock > limit:
		d.evictNow(nil)
	}
}

// frame writes one frame.
func (d *disk) frame(kind byte, hash, below uint64) error {
	f, err := d.dropFile()
	if err != nil {
		return err
	}
	if below == 0 {
		below = d.seq.Add(1)
	}
	plain := append(make([]byte, 0, framePlain), kind)
	plain = binary.BigEndian.AppendUint64(plain, hash)
	plain = binary.BigEndian.AppendUint64(plain, below)
	b := f.aead.Seal(make([]byte, 0, frameBytes), nil, plain, f.aad(f.size))
	if _, err = f.f.WriteAt(b, f.size); err != nil {
		return err
	}
	f.highest = d.seq.Load() // and not below: what is void may be a copy in a younger segment
	d.grew(f, frameBytes)
	return nil
}

func (d *disk) grew(f *dropFile, n int64) {
	before := footprint(f.size)
	f.size += n
	d.drops.bytes += footprint(f.size) - before
	d.bytes += footprint(f.size) - before
}

// dropFile returns the file to write to.
func (d *disk) dropFile() (*dropFile, error) {
	if n := len(d.drops.files); n > 0 && d.drops.files[n-1].f != nil {
		last := d.drops.files[n-1]
		if last.size < dropsBytes {
			return last, nil
		}
		_ = last.f.Close()
		last.f = nil
	}
	if d.number > maxNumber {
		return nil, errors.New("file numbers are used up")
	}
	f := &dropFile{segmentHeader: newSegmentHeader(d.number, d.seq.Load(), dropsFile, false)}
	d.number++
	f.aead = f.segmentHeader.aead(d.key)
	raw, err := d.openNew(f.name())
	if err != nil {
		return nil, err
	}
	f.f = raw
	d.drops.files = append(d.drops.files, f)
	d.grew(f, fileHeader)
	if _, err = raw.WriteAt(f.seal(f.aead), 0); err != nil {
		d.deleteDrops(f)
		return nil, err
	}
	return f, nil
}

// prune deletes the drop files that void nothing any more.
func (d *disk) prune() {
	born := uint64(math.MaxUint64)
	for _, s := range *d.table.byNumber.Load() {
		if !s.writing.Load() { // else its record will be younger than every drop
			born = min(born, s.born)
		}
	}
	for _, s := range d.undeleted {
		born = min(born, s.born)
	}
	for len(d.drops.files) > 0 && d.drops.files[0].highest < born {
		d.deleteDrops(d.drops.files[0])
	}
	d.strays.age(born, d.seq.Load())
}

func (d *disk) deleteDrops(f *dropFile) {
	if f.f != nil {
		_ = f.f.Close()
	}
	if err := d.root.Remove(f.name()); err != nil {
		d.failures.Add(1)
	}
	d.grew(f, -f.size)
	d.drops.files = slices.DeleteFunc(d.drops.files, func(o *dropFile) bool { return o == f })
}

// evictForDrops evicts the segment that keeps the oldest drop file alive: a flood
// of drops must not take the place of data.
func (d *disk) evictForDrops() bool {
	segments := slices.Collect(func(yield func(*segment) bool) {
		for _, s := range *d.table.byNumber.Load() {
			if !s.writing.Load() && !yield(s) {
				return
			}
		}
	})
	if len(segments) == 0 {
		return false
	}
	s := slices.MinFunc(segments, func(a, b *segment) int { return cmp.Compare(a.born, b.born) })
	d.evict(s)
	return true
}

func (ds *drops) close() {
	for _, f := range ds.files {
		if f.f != nil {
			_ = f.f.Close()
			f.f = nil
		}
	}
}

// read calls f for every drop in a file found at Open. A damaged frame is
// skipped: the entry that it voided may be found, as a suspect.
func (f *dropFile) read(root *os.Root, wrap func(file) file, use func(kind byte, hash, seq uint64)) error {
	raw, err := root.Open(f.name())
	if err != nil {
		return err
	}
	in := wrap(raw)
	defer in.Close()
	b := make([]byte, max(0, f.size-fileHeader))
	if _, err := in.ReadAt(b, fileHeader); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for off := int64(fileHeader); len(b) >= frameBytes; off, b = off+frameBytes, b[frameBytes:] {
		plain, err := f.aead.Open(nil, nil, b[:frameBytes], f.aad(off))
		if err == nil && len(plain) == framePlain {
			use(plain[0], binary.BigEndian.Uint64(plain[1:]), binary.BigEndian.Uint64(plain[9:]))
		}
	}
	return nil
}
