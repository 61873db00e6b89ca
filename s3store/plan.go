package s3store

import "fmt"

// plan cuts an envelope into the parts of a multipart upload.
//
// S3 takes 10,000 parts of at most 5 GiB. If the size is known, parts are as small
// as that allows. If it is not, each part is a thousandth of what precedes it: 8 MiB
// up to 8 GiB, then growing by 0.1 % from part to part, which reaches 16 TiB before
// the parts run out. The price of not knowing is memory: a part of an object of
// 1 TiB has 1 GiB then, and 105 MiB where the size was known.
type plan struct {
	least, most int64 // of one part, in bytes
	parts       int
	growth      int64 // a part is that fraction of what precedes it
	copied      int64 // of a part that S3 copies itself, in bytes
}

var s3Plan = plan{least: 8 << 20, most: 5 << 30, parts: 10_000, growth: 1000, copied: 256 << 20}

// sized returns the plan for data of size bytes (-1: not known): all parts equal.
func (p plan) sized(size int64) plan {
	if size < 0 {
		return p
	}
	// What sealing adds: 32 bytes to 64 KiB, 3 to a frame that does not compress, 8
	// for its entry in the seek table, the header. A 500th is more than that.
	sealed := size + size/500 + 1<<20
	each := (sealed + int64(p.parts) - 1) / int64(p.parts)
	p.least = min(max(p.least, roundUp(each)), p.most)
	p.growth = 0
	return p
}

// part is the size of the next part, when so many precede it with so many bytes.
func (p plan) part(count int, before int64) (int64, error) {
	if count >= p.parts {
		return 0, fmt.Errorf("%w: more than %d parts; set PutOptions.Size", ErrTooLarge, p.parts)
	}
	if p.growth == 0 {
		return p.least, nil
	}
	return min(max(p.least, roundUp(before/p.growth)), p.most), nil
}

// roundUp makes sizes of which buffers can be used again.
func roundUp(n int64) int64 {
	const unit = 1 << 20
	if n <= unit {
		return n // tests
	}
	return (n + unit - 1) &^ (unit - 1)
}

const (
	maxParallel = 4
	inFlight    = 64 << 20
)

// parallel is how many parts of that size are on their way at once. With the one
// that is being filled, an upload so holds 40 MiB while parts are the smallest; in
// general, inFlight and one part, or two parts, whichever is more.
func parallel(part int64) int { return int(min(max(inFlight/part, 1), maxParallel)) }
