package main

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/hipaakit/hipaakit/envelope"
)

// frameData is the data of one zstd frame of an envelope, and its window.
const frameData = 256 << 10

// levels are those of an envelope and of klauspost/compress, side by side.
var levels = []level{
	{"fast", envelope.CompressFast, zstd.SpeedFastest},
	{"default", envelope.CompressDefault, zstd.SpeedDefault},
	{"better", envelope.CompressBetter, zstd.SpeedBetterCompression},
	{"best", envelope.CompressBest, zstd.SpeedBestCompression},
}

type level struct {
	name string
	ours envelope.Compression
	bare zstd.EncoderLevel
}

// Names of the three ways to use zstd alone.
const (
	zstdWhole  = "zstd, one frame"
	zstdFrames = "zstd, 256 KiB frames"
	zstdStream = "zstd, stream"
)

// bareZstd is zstd alone at l, in the window of an envelope, on so many cores.
func bareZstd(l level, cores int) (whole, frames, stream scheme, err error) {
	options := []zstd.EOption{
		zstd.WithEncoderLevel(l.bare), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(frameData), zstd.WithEncoderConcurrency(cores),
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(cores))
	whole = scheme{
		name: zstdWhole,
		seal: func(dst, data []byte) ([]byte, error) { return enc.EncodeAll(data, dst), nil },
		open: func(dst, sealed []byte) ([]byte, error) { return dec.DecodeAll(sealed, dst) },
	}
	return whole, zstdInFrames(enc, dec), zstdStreamed(enc, dec), err
}

// zstdInFrames does what a file must in which one can seek. The lengths of frames
// stand before each, as a seek table has them.
func zstdInFrames(enc *zstd.Encoder, dec *zstd.Decoder) scheme {
	return scheme{
		name: zstdFrames,
		seal: func(dst, data []byte) ([]byte, error) {
			for len(data) > 0 {
				n := min(frameData, len(data))
				at := len(dst)
				dst = enc.EncodeAll(data[:n], append(dst, 0, 0, 0))
				putLength(dst[at:], len(dst)-at-3)
				data = data[n:]
			}
			return dst, nil
		},
		open: func(dst, sealed []byte) ([]byte, error) {
			for len(sealed) > 0 {
				n := length(sealed)
				var err error
				if dst, err = dec.DecodeAll(sealed[3:3+n], dst); err != nil {
					return nil, err
				}
				sealed = sealed[3+n:]
			}
			return dst, nil
		},
	}
}

func putLength(b []byte, n int) { b[0], b[1], b[2] = byte(n), byte(n>>8), byte(n>>16) }

func length(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func zstdStreamed(enc *zstd.Encoder, dec *zstd.Decoder) scheme {
	return scheme{
		name: zstdStream,
		seal: func(dst, data []byte) ([]byte, error) {
			w := &sliceWriter{dst}
			enc.Reset(w)
			return writeAll(w, enc, data)
		},
		open: func(dst, sealed []byte) ([]byte, error) {
			// Not a bytes.Buffer, of which the decoder makes one DecodeAll.
			if err := dec.Reset(struct{ io.Reader }{bytes.NewReader(sealed)}); err != nil {
				return nil, err
			}
			return readInto(dst, dec)
		},
	}
}
