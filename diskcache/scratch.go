package diskcache

// scratch holds the buffers of one operation. They are reused, because a hit
// of 4 KiB takes 3 us and clearing fresh buffers would be a good part of it.
type scratch struct {
	sealed  []byte // as on disk
	encoded []byte // not yet sealed, or opened and not yet decoded
	lens    []byte
	meta    []byte
	aad     []byte
	opened  opened
}

// keepBytes bounds what a scratch takes back to the pool: a rare record of a
// gigabyte must not pin a gigabyte.
const keepBytes = 2 << 20

func newScratch() any { return &scratch{aad: make([]byte, 0, 512), meta: make([]byte, 0, 512)} }

func (d *disk) getScratch() *scratch { return d.scratch.Get().(*scratch) }

// putScratch takes s back. The next operation overwrites what it reads, and
// sees no more of the buffers than it wrote.
func (d *disk) putScratch(s *scratch) {
	s.opened.seg, s.opened.aead = nil, nil // an evicted segment can go
	for _, b := range []*[]byte{&s.sealed, &s.encoded, &s.lens, &s.meta, &s.aad} {
		if cap(*b) > keepBytes {
			*b = nil
		}
	}
	d.scratch.Put(s)
}

// grow returns b with length n, its content undefined.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n, n+n/4)
	}
	return b[:n]
}
