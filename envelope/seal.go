package envelope

import (
	"context"
	"io"
	"slices"
)

// Seal appends an envelope of data to dst and returns the extended slice. dst
// must not overlap data. The size is that of data, whatever o says. Errors are
// those of [NewWriter].
func Seal(ctx context.Context, dst, data []byte, kr Keyring, b Binding, o Options) ([]byte, error) {
	out := appender(slices.Grow(dst, o.sealedBound(len(data))))
	w, err := newWriter(ctx, &out, kr, b, o, int64(len(data)))
	if err != nil {
		return dst, err
	}
	if _, err := w.Write(data); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return out, nil
}

// sealedBound guesses the room an envelope takes; append grows what a guess
// misses. Text compresses, so a quarter is taken for it.
func (o Options) sealedBound(n int) int {
	if o.Compression != CompressNone {
		n /= 4
	}
	return 1024 + n + n/1024
}

type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// Open verifies the envelope sealed and appends its data to dst, which must not
// overlap it. On any error dst is returned as it was: a caller never sees part
// of an envelope. Errors are those of [NewReader].
func Open(ctx context.Context, dst, sealed []byte, kr Keyring, b Binding) ([]byte, Info, error) {
	in := source(sealed)
	r, err := NewReader(ctx, &in, kr, b)
	if err != nil {
		return dst, Info{}, err
	}
	out := slices.Grow(dst, int(min(max(r.info.Size, 0), maxGrow(len(sealed)))))
	for r.err == nil {
		out = r.fill(out)
	}
	if r.err != io.EOF {
		clear(out[len(dst):])
		return dst, Info{}, r.err
	}
	r.info.Size = r.read
	return out, r.info, nil
}

// maxGrow is the memory taken on the word of a sealed size alone.
func maxGrow(sealed int) int64 { return int64(sealed)*32 + frameSize }

type source []byte

func (s *source) Read(p []byte) (int, error) {
	if len(*s) == 0 {
		return 0, io.EOF
	}
	n := copy(p, *s)
	*s = (*s)[n:]
	return n, nil
}
