package diskcache

import "math/bits"

// slot is where the current record of a hash is: 32 bytes without a pointer, so
// that the garbage collector never looks at tens of millions of them.
type slot struct {
	hash  uint64
	order uint64 // sequence number << 2 | uses since the last reclaim, 0 to 3
	file  uint32 // 0: the slot is free
	off   uint32
	size  uint32 // of the whole record; 1<<32 - 1: at least that
	epoch uint32 // suspect if older than the clock's; 0: found at Open
}

const maxUses = 3

func (s slot) seq() uint64  { return s.order >> 2 }
func (s slot) uses() uint64 { return s.order & maxUses }

func (s *slot) use() {
	if s.uses() < maxUses {
		s.order++
	}
}

// index is the part of the index that one shard holds: a table in which slots are
// sorted by hash and stand at, or a little after, their home, which is
// proportional to the hash (linear probing; keeping runs sorted is O. Amble,
// D. E. Knuth, "Ordered hash tables", 1974). Because it is sorted
//
//   - a miss ends at the first greater hash, so a load of 7/8 is cheap;
//   - a table of any size will do, not only powers of two: it grows by a fifth,
//     and so has at least 18 slots in use of 25, which is 44.4 bytes an entry;
//   - growing is one walk over old and new table in order. Each shard grows by
//     itself: 1/256 of the index is copied at a time, 0.6 ms of 10 million entries.
type index struct {
	slots []slot // homes of them are homes, the rest takes what runs over
	homes uint64
	count int
}

const (
	indexTail = 24 // slots behind the last home; a longer run gets as many again

	// growAt and growTo are 64ths of the homes in use.
	growAt   = 56
	growTo   = 47
	shrinkAt = 16
	trimAt   = 45
	minHomes = 8
)

func (x *index) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, x.homes)
	return int(hi)
}

// find returns where hash is, or where it would be inserted.
func (x *index) find(hash uint64) (at int, ok bool) {
	if x.homes == 0 {
		return 0, false
	}
	at = x.home(hash)
	for at < len(x.slots) && x.slots[at].file != 0 && x.slots[at].hash < hash {
		at++
	}
	return at, at < len(x.slots) && x.slots[at].file != 0 && x.slots[at].hash == hash
}

// at returns the slot of hash, valid until the next change, or nil.
func (x *index) at(hash uint64) *slot {
	if at, ok := x.find(hash); ok {
		return &x.slots[at]
	}
	return nil
}

// set inserts or replaces. keep says which slots are worth moving should the
// table have to grow: those of a deleted file are not.
func (x *index) set(s slot, keep func(slot) bool) {
	at, ok := x.find(s.hash)
	if ok {
		x.slots[at] = s
		return
	}
	x.add(at, s, keep)
}

// offer inserts a slot that was found at Open, or replaces one by it that it is newer
// than: of two with the same number, which twice reports, the younger file has a copy.
func (x *index) offer(s slot) (twice bool) {
	at, ok := x.find(s.hash)
	if !ok {
		x.add(at, s, nil)
		return false
	}
	old := &x.slots[at]
	twice = old.seq() == s.seq() && old.file != s.file
	if old.seq() < s.seq() || twice && old.file < s.file {
		*old = s
	}
	return twice
}

// ahead is how many slots are touched before they are offered. Looking for one after
// the other waits for memory each time; the processor overlaps loads that do not depend
// on each other.
const ahead = 16

// touch loads the homes of some slots.
func (x *index) touch(slots []slot) (sum uint64) {
	if x.homes == 0 {
		return 0
	}
	for i := range slots {
		sum ^= x.slots[x.home(slots[i].hash)].hash
	}
	return sum
}

// add inserts a slot at the place where find has not found it.
func (x *index) add(at int, s slot, keep func(slot) bool) {
	if x.count >= int(x.homes*growAt/64) {
		x.rebuild(x.count+1, keep)
		at, _ = x.find(s.hash)
	}
	for !x.insert(at, s) {
		x.slots = append(x.slots, make([]slot, indexTail)...)
	}
}

// insert is false if the run does not end before the table does.
func (x *index) insert(at int, s slot) bool {
	end := at
	for end < len(x.slots) && x.slots[end].file != 0 {
		end++
	}
	if end >= len(x.slots) {
		return false
	}
	copy(x.slots[at+1:end+1], x.slots[at:end])
	x.slots[at] = s
	x.count++
	return true
}

// remove closes the gap, so that there is never a tombstone to step over.
func (x *index) remove(hash uint64) {
	at, ok := x.find(hash)
	if !ok {
		return
	}
	for at+1 < len(x.slots) && x.slots[at+1].file != 0 && x.home(x.slots[at+1].hash) <= at {
		x.slots[at] = x.slots[at+1]
		at++
	}
	x.slots[at] = slot{}
	x.count--
	if x.homes > 64 && x.count < int(x.homes*shrinkAt/64) {
		x.rebuild(x.count, nil)
	}
}

// rebuild makes a table for n entries and moves what is worth it.
func (x *index) rebuild(n int, keep func(slot) bool) {
	old := x.slots
	x.homes = max(minHomes, uint64(n)*64/growTo+1)
	x.slots = make([]slot, x.homes+indexTail)
	x.count = 0
	next := 0
	for _, s := range old {
		if s.file == 0 || keep != nil && !keep(s) {
			continue
		}
		at := max(next, x.home(s.hash))
		if at >= len(x.slots) {
			x.slots = append(x.slots, make([]slot, indexTail)...)
		}
		x.slots[at] = s
		next = at + 1
		x.count++
	}
}

// reserve prepares for n entries more.
func (x *index) reserve(n int) {
	if n += x.count; n > int(x.homes*growAt/64) {
		x.rebuild(n, nil)
	}
}
