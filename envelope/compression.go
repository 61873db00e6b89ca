package envelope

import (
	"fmt"
	"sync"

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

// Encoders and decoders are immutable once made, safe for concurrent use through
// EncodeAll and DecodeAll, and cost megabytes each: one of a kind for the process.
var (
	encoders = [...]func() *zstd.Encoder{
		CompressFast:    newEncoder(zstd.SpeedFastest),
		CompressDefault: newEncoder(zstd.SpeedDefault),
		CompressBetter:  newEncoder(zstd.SpeedBetterCompression),
		CompressBest:    newEncoder(zstd.SpeedBestCompression),
	}
	decoder256K = sync.OnceValue(newDecoder)
)

func newEncoder(level zstd.EncoderLevel) func() *zstd.Encoder {
	return sync.OnceValue(func() *zstd.Encoder {
		// No checksum: every byte is authenticated already.
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(frameSize), zstd.WithSingleSegment(true)) // so that every frame tells its size
		if err != nil {
			panic(err) // constant options; a test makes each
		}
		return e
	})
}

// newDecoder refuses larger windows and never writes beyond the capacity that
// it is given: a frame that lies about its size cannot take memory.
func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxWindow(frameSize),
		zstd.WithDecoderMaxMemory(frameSize), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(false))
	if err != nil {
		panic(err) // constant options
	}
	return d
}
