package envelope

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// Seal appends an envelope of data to dst and returns the extended slice. dst
// may be data itself, or hold other bytes before the envelope, but its free space
// must not overlap data. The size is that of data, whatever o says. Errors are those
// of [NewWriter].
func Seal(ctx context.Context, dst, data []byte, kr Keyring, b Binding, o Options) ([]byte, error) {
	if overlaps(dst, data) {
		return dst, errOverlap
	}
	o.Size = int64(len(data))
	p, err := prepare(ctx, kr, b, o, int64(len(data)))
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, p.bound(len(data)))
	sealed := floe.NewAppender(append(dst, p.head...), p.sealer)
	sealed.Stop = ctx.Err
	if err := p.writer(ctx, sealed).finish(data); err != nil {
		return dst, err
	}
	return sealed.Bytes(), nil
}

// bound is the length of an uncompressed envelope; of a compressed one a guess,
// as text compresses at least to a quarter: append grows what a guess misses.
func (p *prepared) bound(n int) int {
	if p.level != CompressNone {
		n /= 4
	}
	return len(p.head) + n + (n/p.sealer.PlainSegment()+2)*floe.SegmentOverhead
}

// Open verifies the envelope sealed and appends its data to dst, whose free space
// must not overlap it. On any error dst is returned as it was: a caller never sees part
// of an envelope. Whoever sealed it decides how much memory the data takes, which
// may be thousands of times its own length: where that is not trusted, use
// [NewReader]. Errors are those of [NewReader].
func Open(ctx context.Context, dst, sealed []byte, kr Keyring, b Binding) ([]byte, Info, error) {
	if overlaps(dst, sealed) {
		return dst, Info{}, errOverlap
	}
	in := bytes.NewReader(sealed)
	r, err := newReader(ctx, in, kr, b, oneShotFrames(), func(o *floe.Opener) *floe.Reader {
		return floe.NewSliceReader(sealed[len(sealed)-in.Len():], o)
	})
	if err != nil {
		return dst, Info{}, err
	}
	out := slices.Grow(dst, int(min(max(r.info.Size, 0), maxGrow(len(sealed)))))
	for r.err == nil {
		out = r.fill(out)
	}
	if r.err != io.EOF {
		clear(out[len(dst):])
		clear(dst[len(dst):min(cap(dst), len(out))]) // where out began, if it had to grow
		return dst, Info{}, r.err
	}
	r.info.Size = r.read
	return out, r.info, nil
}

// maxGrow is the memory taken on the word of a sealed size alone.
func maxGrow(sealed int) int64 { return int64(sealed)*32 + frameSize }

var errOverlap = fmt.Errorf("%w: the free space of dst overlaps the input", ErrInvalid)

// overlaps says whether appending to dst could write over in: then it would be lost
// before it was read. Slices of one array that were not cut in their capacity end in
// the same place, which is how they are found without package unsafe.
func overlaps(dst, in []byte) bool {
	if cap(dst) == 0 || cap(in) == 0 || &dst[:cap(dst)][cap(dst)-1] != &in[:cap(in)][cap(in)-1] {
		return false
	}
	return cap(dst)-len(dst) > cap(in)-len(in)
}
