package diskcache

import (
	"bytes"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// shardCount bounds how many goroutines can meet at one lock. A hit holds it
// for some 50 ns, so 64 locks serve more cores than machines have; the bytes
// of the memory tier are one budget for all of them (see memory), so the
// number costs nothing in hit ratio.
const shardCount = 64

// shard holds what is known about the keys whose hash falls on it: where their
// records are, and the plaintext of those used last. One lock covers both, and
// the check of a fence as well, so index and memory cannot disagree about
// which record of a key is current.
type shard struct {
	mu    sync.Mutex
	slots map[uint64]slot
	lru   *simplelru.LRU[uint64, *item]

	memoryHits, diskHits, misses uint64

	_ [64]byte // keep neighbours' locks on other cache lines
}

// item is an entry in the memory tier.
type item struct {
	key     string
	version string
	blob    []byte
	data    View
	stored  int64 // nanoseconds since 1970
	seq     uint64
	epoch   uint64
}

// itemOverhead estimates what an item costs besides its bytes: itself, its
// element of the LRU list and its place in the map.
const itemOverhead = 320

func (it *item) cost() int64 {
	return int64(len(it.key)+len(it.version)+len(it.blob)+it.data.size) + itemOverhead
}

// entry returns the caller's copy.
func (it *item) entry(epoch uint64) Entry {
	return Entry{
		Meta:    Meta{Version: it.version, Blob: bytes.Clone(it.blob)},
		Data:    it.data,
		Stored:  time.Unix(0, it.stored),
		Suspect: it.epoch < epoch,
	}
}

func (s *shard) init(m *memory) {
	s.slots = make(map[uint64]slot)
	// The count is unlimited, bytes are what counts; NewLRU fails for sizes
	// below one only.
	s.lru, _ = simplelru.NewLRU(math.MaxInt, func(_ uint64, it *item) { m.used.Add(-it.cost()) })
}

// keep puts an item, whose cost has been reserved, into the memory tier.
func (s *shard) keep(hash uint64, it *item) {
	s.lru.Remove(hash) // Add alone would replace without calling back
	s.lru.Add(hash, it)
}

// newest is the highest sequence number that the shard has for the hash.
func (s *shard) newest(hash uint64) uint64 {
	seq := s.slots[hash].seq
	if it, ok := s.lru.Peek(hash); ok {
		seq = max(seq, it.seq)
	}
	return seq
}

// drop forgets the hash and returns the number of the file its record was in,
// or 0. It needs the shard's lock.
func (s *shard) drop(hash uint64) (file uint64) {
	file = s.slots[hash].file
	delete(s.slots, hash)
	s.lru.Remove(hash)
	return file
}

// dropSeq forgets the hash if it still stands for that record.
func (s *shard) dropSeq(hash, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots[hash].seq == seq {
		delete(s.slots, hash)
	}
	if it, ok := s.lru.Peek(hash); ok && it.seq == seq {
		s.lru.Remove(hash)
	}
}

// forget removes the slots that point into an evicted segment. What is in
// memory stays: it is as true as it was.
func (c *Cache) forget(number uint64, hashes []uint64) {
	for _, hash := range hashes {
		s := c.shard(hash)
		s.mu.Lock()
		if sl, ok := s.slots[hash]; ok && sl.file == number {
			delete(s.slots, hash)
		}
		s.mu.Unlock()
	}
}
