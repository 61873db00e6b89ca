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
	cache                  cachePlan
}

// cachePlan is what the cache's suite measures.
type cachePlan struct {
	set       int   // bytes of all the records of one size, for hits on disk
	most      int   // but at most so many of them
	inMemory  []int // numbers of entries, for hits in memory
	entries   []int // numbers of entries at which the cost of one operation is taken
	walked    []int // numbers of files that are listed, or walked
	simulated int64 // bytes on disk of the cache whose hits are counted
	laps      int   // and how often as many keys are asked for as fit
}

var (
	full = plan{
		pace:  thorough,
		plain: []int{4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20},
		zstd:  []int{64 << 10, 1 << 20, 16 << 20}, everyLevel: true, everyInput: true,
		segmentLengths: segmentLengths, segmentSizes: []int{64 << 10, 1 << 20, 16 << 20}, large: 16 << 20,
		cores: []int{1 << 20, 16 << 20}, together: 4 << 20,
		cache: cachePlan{
			set: 256 << 20, most: 65536, inMemory: []int{1024, 65536}, simulated: 16 << 20, laps: 25,
			entries: []int{10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000},
			walked:  []int{10_000, 100_000, 1_000_000},
		},
	}
	brief = plan{
		pace:           hurried,
		plain:          []int{4 << 10, 64 << 10, 1 << 20, 16 << 20},
		zstd:           []int{64 << 10, 1 << 20, 16 << 20},
		segmentLengths: segmentLengths, segmentSizes: []int{64 << 10, 1 << 20, 16 << 20}, large: 16 << 20,
		cores: []int{1 << 20, 16 << 20}, together: 4 << 20,
		cache: cachePlan{
			set: 256 << 20, most: 32768, inMemory: []int{1024, 65536}, simulated: 2 << 20, laps: 25,
			entries: []int{10_000, 30_000, 100_000, 300_000, 1_000_000},
			walked:  []int{10_000, 100_000},
		},
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
