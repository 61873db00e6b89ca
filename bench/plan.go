package main

// plan is what a run measures, and how long.
type plan struct {
	pace  pace
	plain []int // sizes of objects that are not compressed, in bytes
	zstd  []int // and of those that are
	// everyLevel measures all levels at all sizes, everyInput all kinds of data also
	// where AES looks at none of it.
	everyLevel, everyInput bool
	segmentLengths         []int
	segmentSizes           []int // objects for the choice of a segment length
	large                  int   // the object of which ranges are read
	cores                  []int // sizes of objects sealed on two cores
	together               int   // bytes of all the objects of one size
}

var (
	full = plan{
		pace:  thorough,
		plain: []int{4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20},
		zstd:  []int{64 << 10, 1 << 20, 16 << 20}, everyLevel: true, everyInput: true,
		segmentLengths: segmentLengths, segmentSizes: []int{64 << 10, 1 << 20, 16 << 20}, large: 16 << 20,
		cores: []int{1 << 20, 16 << 20}, together: 4 << 20,
	}
	brief = plan{
		pace:           hurried,
		plain:          []int{4 << 10, 64 << 10, 1 << 20, 16 << 20},
		zstd:           []int{64 << 10, 1 << 20, 16 << 20},
		segmentLengths: segmentLengths, segmentSizes: []int{64 << 10, 1 << 20, 16 << 20}, large: 16 << 20,
		cores: []int{1 << 20, 16 << 20}, together: 4 << 20,
	}
	segmentLengths = []int{16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20}
)

// most is the largest object of the plan.
func (p plan) most() int {
	n := p.large
	for _, sizes := range [][]int{p.plain, p.zstd, p.segmentSizes, p.cores} {
		for _, s := range sizes {
			n = max(n, s)
		}
	}
	return n
}

// records cuts objects of that size: of small ones many, so that they are not always
// the same few lines of the processor's cache.
func (p plan) records(in input, size int) records {
	return newRecords(in.data, size, max(1, min(64, p.together/size)))
}
