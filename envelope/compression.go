package envelope

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Compression says how hard to compress. Every level is read alike.
type Compression uint8

const (
	// CompressFast is the zero value: zstd's fastest level, the best price for
	// a byte on text. Data that does not compress is stored as it is.
	CompressFast Compression = iota
	// CompressDefault, CompressBetter and CompressBest trade time for size.
	CompressDefault
	CompressBetter
	CompressBest
	// CompressNone seals the data as it is. Use it where length must not tell
	// anything of the content, as where an attacker can choose part of it.
	CompressNone
)

func (c Compression) codec() byte {
	if c == CompressNone {
		return codecNone
	}
	return codecZstd
}

func (c Compression) check() error {
	if c > CompressNone {
		return fmt.Errorf("%w: compression %d", ErrInvalid, c)
	}
	return nil
}

// encoders are by Compression. They and the decoders keep no state between frames.
var (
	encoders = [...]*coders[*zstd.Encoder]{
		CompressFast:    newEncoders(zstd.SpeedFastest),
		CompressDefault: newEncoders(zstd.SpeedDefault),
		CompressBetter:  newEncoders(zstd.SpeedBetterCompression),
		CompressBest:    newEncoders(zstd.SpeedBestCompression),
	}
	decoders = &coders[*zstd.Decoder]{make: newDecoder}
)

func newEncoders(level zstd.EncoderLevel) *coders[*zstd.Encoder] {
	return &coders[*zstd.Encoder]{make: func() *zstd.Encoder {
		// No checksum: every byte is authenticated already. A single segment, so
		// that every frame tells its size.
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(frameSize), zstd.WithSingleSegment(true), zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // constant options; a test makes each
		}
		return e
	}}
}

// encodeFrame appends data as one frame to dst.
func encodeFrame(level Compression, data, dst []byte) []byte {
	e := encoders[level].get()
	dst = e.EncodeAll(data, dst)
	encoders[level].put(e) // not after a panic
	return dst
}

// newDecoder refuses larger windows and never writes beyond the capacity that it is
// given: a frame that lies about its size cannot take memory.
func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(frameSize),
		zstd.WithDecoderMaxMemory(frameSize), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(false))
	if err != nil {
		panic(err) // constant options
	}
	return d
}
