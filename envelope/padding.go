package envelope

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// flagPadded is the critical flag of an envelope with padding: a reader that does
// not know of it would take the padding for damage, or for data.
const flagPadded = 1 << 0

// maxPadded keeps the padding of a compressed stream within one skippable frame,
// which holds 4 GiB: from 256 GiB on Padmé may ask for more.
const maxPadded = 255 << 30

// padMagic is that of a zstd skippable frame other than the seek table's.
const padMagic = 0x184D2A50

// padme returns the Padmé length of n: the next length that has zeros in all but
// the upper bits, so that a length tells O(log log n) bits and grows by at most
// 12 % (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
// Communication with PURBs", PoPETs 2019, section 4).
func padme(n int64) int64 {
	if n < 2 {
		return n
	}
	e := bits.Len64(uint64(n)) - 1   // floor(log2 n)
	low := e - bits.Len64(uint64(e)) // bits that must be zero
	mask := int64(1)<<max(low, 0) - 1
	return (n + mask) &^ mask
}

// padFrame is the header of the skippable frame that pads a stream of n bytes,
// itself included, and the number of zeros behind it.
func padFrame(n int64) (head []byte, zeros int64, err error) {
	zeros = padme(n+skippableHeader) - n - skippableHeader
	if zeros > 1<<32-1 {
		return nil, 0, fmt.Errorf("%w: %d bytes are too many to pad", ErrInvalid, n)
	}
	head = binary.LittleEndian.AppendUint32(nil, padMagic)
	return binary.LittleEndian.AppendUint32(head, uint32(zeros)), zeros, nil
}

var errPadding = fmt.Errorf("%w: padding", ErrCorrupt)

var zeroBlock [32 << 10]byte

// writeZeros writes n zero bytes.
func writeZeros(w io.Writer, n int64) error {
	for n > 0 {
		block := zeroBlock[:min(n, int64(len(zeroBlock)))]
		if _, err := w.Write(block); err != nil {
			return err
		}
		n -= int64(len(block))
	}
	return nil
}

// paddedWriter appends zeros to data that is not compressed. Its reader knows
// where they begin from the sealed size.
type paddedWriter struct {
	body
	written int64
}

func (p *paddedWriter) Write(b []byte) (int, error) {
	n, err := p.body.Write(b)
	p.written += int64(n)
	return n, err
}

// Finish copies b into the body's batch, as the final segment is yet to come.
func (p *paddedWriter) Finish(b []byte) error {
	p.Write(b) // its error sticks, and Close repeats it
	return p.Close()
}

func (p *paddedWriter) Close() error {
	if err := writeZeros(p.body, padme(p.written)-p.written); err != nil {
		return err
	}
	return p.body.Close()
}

// unpad returns next without the zeros behind size bytes of data. They must be as
// many as Padmé asks for.
func unpad(next func([]byte) ([]byte, error), size int64) func([]byte) ([]byte, error) {
	var read int64
	return func(dst []byte) ([]byte, error) {
		at := len(dst)
		out, err := next(dst)
		keep := min(int64(len(out)-at), max(0, size-read))
		read += int64(len(out) - at)
		if _, bad := (zeroSink{}).Write(out[int64(at)+keep:]); bad != nil {
			return dst, bad
		}
		if err == io.EOF && read != padme(size) {
			return dst, errPadding
		}
		return out[:int64(at)+keep], err
	}
}
