package diskcache

import (
	"encoding/binary"
	"unsafe"
)

// decompress fills out with a chunk that compress made. What is not one, or not of
// out's length, is errDamaged; out is then undefined. compress.go describes the format.
func decompress(out, chunk []byte) error {
	d, ok := newDecompressor(out, chunk)
	if !ok {
		return errDamaged
	}
	for d.token < d.end {
		if d.many(); d.token < d.end && !d.one() {
			return errDamaged
		}
	}
	if d.literals-d.literal != len(out)-d.at {
		return errDamaged
	}
	copy(out[d.at:], d.in[d.literal:d.literals])
	return nil
}

// decompressor is how far it has come: at is in out, the others are in the chunk.
type decompressor struct {
	out, in       []byte
	at            int
	literal       int
	token         int
	literals, end int // where the literals, and the tokens, end
}

func newDecompressor(out, chunk []byte) (d decompressor, ok bool) {
	end := len(chunk) - tokenBytes
	if end < 0 {
		return d, false
	}
	literals := end - tokenBytes*int(binary.LittleEndian.Uint32(chunk[end:]))
	return decompressor{out: out, in: chunk, token: literals, literals: literals, end: end}, literals >= 0
}

// read splits the next token.
func (d *decompressor) read() (literals, length, back int) {
	t := binary.LittleEndian.Uint32(d.in[d.token:])
	return int(t & maxLiterals), int(t >> literalBits & maxCopy), int(t >> (literalBits + copyBits))
}

// one does what the next token says, to the byte, if it can be done.
func (d *decompressor) one() bool {
	literals, length, back := d.read()
	start := d.at + literals
	if start+length > len(d.out) || d.literal+literals > d.literals || back < leastBack || back > start {
		return false
	}
	copy(d.out[d.at:], d.in[d.literal:d.literal+literals])
	for i := start; i < start+length; i += back { // a copy may repeat itself
		copy(d.out[i:start+length], d.out[i-back:i])
	}
	d.at, d.literal, d.token = start+length, d.literal+literals, d.token+tokenBytes
	return true
}

const stride = 64 // bytes moved at a time, needed or not

// many does what tokens say for as long as what it moves too much stays within out
// and the chunk. It works with pointers: the checks of slices, which a loop of this
// size has no registers for, cost it half as much again. One check in front of all
// moves makes up for them. A literal's move reads at most 64 bytes from literal, a
// copy writes at most 63 bytes behind its end, and a back of 32 and more lets moves of
// 16 bytes read only what is there.
func (d *decompressor) many() {
	at, literal, token, end := d.at, d.literal, d.token, d.end
	room, most := len(d.out)-stride, d.end-stride
	out, in := unsafe.Pointer(unsafe.SliceData(d.out)), unsafe.Pointer(unsafe.SliceData(d.in))
	for token < end {
		t := binary.LittleEndian.Uint32((*[tokenBytes]byte)(unsafe.Add(in, token))[:])
		literals, length, back := int(t&maxLiterals), int(t>>literalBits&maxCopy), int(t>>(literalBits+copyBits))
		start := at + literals
		if start+length > room || literal > most || back < leastBack || back > start {
			break
		}
		move32(unsafe.Add(out, at), unsafe.Add(in, literal))
		if literals > stride/2 {
			move32(unsafe.Add(out, at+stride/2), unsafe.Add(in, literal+stride/2))
		}
		literal += literals
		token += tokenBytes
		at = start + length
		for {
			move32(unsafe.Add(out, start), unsafe.Add(out, start-back))
			move32(unsafe.Add(out, start+stride/2), unsafe.Add(out, start+stride/2-back))
			if start += stride; start >= at {
				break
			}
		}
	}
	d.at, d.literal, d.token = at, literal, token
}

func move32(to, from unsafe.Pointer) {
	*(*[16]byte)(to) = *(*[16]byte)(from)
	*(*[16]byte)(unsafe.Add(to, 16)) = *(*[16]byte)(unsafe.Add(from, 16))
}
