package envelope

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// The seek table of the Zstandard seekable format (facebook/zstd,
// contrib/seekable_format/zstd_seekable_compression_format.md): a skippable frame
// with {compressed size, size} of each frame and a footer, all little-endian.
const (
	seekTableMagic  = 0x184D2A5E
	seekFooterMagic = 0x8F92EAB1
	seekEntrySize   = 8
	seekFooterSize  = 9
	skippableHeader = 8
)

var errSeekTable = fmt.Errorf("%w: seek table", ErrCorrupt)

// seekTable collects what a writer has written.
type seekTable []byte

func (t seekTable) add(compressed, size int) seekTable {
	return appendSeekEntry(t, compressed, size)
}

func appendSeekEntry(b []byte, compressed, size int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(compressed))
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

func (t seekTable) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, seekTableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t)+seekFooterSize))
	b = append(b, t...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t)/seekEntrySize))
	b = append(b, 0) // no checksums: every byte is authenticated already
	return binary.LittleEndian.AppendUint32(b, seekFooterMagic)
}

// seekCheck holds a stream that is read in order against its seek table, in
// constant memory: it digests the entries that the table must have.
type seekCheck struct {
	entries hash.Hash
	entry   []byte
	frames  uint64
}

func newSeekCheck() *seekCheck { return &seekCheck{entries: sha256.New()} }

func (c *seekCheck) add(compressed, size int) {
	c.entry = appendSeekEntry(c.entry[:0], compressed, size)
	c.entries.Write(c.entry)
	c.frames++
}

// verify reads the seek table, which must be the last thing in r.
func (c *seekCheck) verify(r *window) error {
	var head [skippableHeader]byte
	var footer [seekFooterSize]byte
	table := sha256.New()
	size := c.frames*seekEntrySize + seekFooterSize
	if err := readTable(r, head[:]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(head[:]) != seekTableMagic || binary.LittleEndian.Uint32(head[4:]) != uint32(size) || size > 1<<32-1 {
		return errSeekTable
	}
	if n, err := io.CopyN(table, r, int64(c.frames*seekEntrySize)); err != nil || n != int64(c.frames*seekEntrySize) {
		return tableError(err)
	}
	if err := readTable(r, footer[:]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(footer[:]) != uint32(c.frames) || footer[4] != 0 ||
		binary.LittleEndian.Uint32(footer[5:]) != seekFooterMagic ||
		[sha256.Size]byte(table.Sum(nil)) != [sha256.Size]byte(c.entries.Sum(nil)) {
		return errSeekTable
	}
	switch _, err := r.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errSeekTable
	default:
		return err
	}
}

func readTable(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	return tableError(err)
}

func tableError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errSeekTable
	}
	return err
}
