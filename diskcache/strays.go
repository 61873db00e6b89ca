package diskcache

import "sync/atomic"

// strays remembers, by hash, records that may be on disk without a slot. A Drop of
// what has no slot writes nothing, since peers announce keys that were never stored
// here, by the thousand; so whoever takes a slot away must leave one of four things
// behind: a newer slot of the key, a drop on disk that voids the record, no file that
// has it, or, where the disk refused, a stray. A Drop that meets one is written like any
// other.
//
// It is a bit for each hash, of 2^20. Two keys may share one, which costs the other a
// drop of 45 bytes. Bits are forgotten, a generation at a time, once every segment that
// was there when they were set is gone.
type strays struct {
	now, before atomic.Pointer[strayBits]
	until       uint64 // of before: sequence number when its time was over; under the gate
}

type strayBits struct {
	some atomic.Bool
	bits [1 << 14]atomic.Uint64
}

func (s *strays) init() { s.now.Store(new(strayBits)) }

func (b *strayBits) at(hash uint64) (word *atomic.Uint64, bit uint64) {
	return &b.bits[hash>>6%uint64(len(b.bits))], 1 << (hash & 63)
}

func (s *strays) add(hash uint64) {
	b := s.now.Load()
	b.some.Store(true)
	word, bit := b.at(hash)
	word.Or(bit)
}

// addAll is for when it is not known which.
func (s *strays) addAll() {
	b := s.now.Load()
	b.some.Store(true)
	for i := range b.bits {
		b.bits[i].Store(1<<64 - 1)
	}
}

func (s *strays) has(hash uint64) bool {
	for _, b := range []*strayBits{s.now.Load(), s.before.Load()} {
		if b == nil || !b.some.Load() {
			continue
		}
		if word, bit := b.at(hash); word.Load()&bit != 0 {
			return true
		}
	}
	return false
}

// age forgets what cannot be on disk any more: oldest is the number at which the
// oldest segment was begun, seq today's. It needs the gate.
func (s *strays) age(oldest, seq uint64) {
	if s.before.Load() != nil && oldest > s.until {
		s.before.Store(nil)
	}
	if s.before.Load() == nil && s.now.Load().some.Load() {
		s.before.Store(s.now.Load())
		s.now.Store(new(strayBits))
		s.until = seq
	}
}
