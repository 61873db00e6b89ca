package diskcache

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"unsafe"
)

// check walks the table: sorted, nothing before its home, no gap between a slot
// and its home, and the count is right.
func (x *index) check(t *testing.T) {
	t.Helper()
	count, last := 0, uint64(0)
	for i, s := range x.slots {
		if s.file == 0 {
			continue
		}
		count++
		if s.hash < last {
			t.Fatalf("slot %d is not in order", i)
		}
		last = s.hash
		for j := x.home(s.hash); j < i; j++ {
			if x.slots[j].file == 0 {
				t.Fatalf("slot %d cannot be reached from its home %d", i, x.home(s.hash))
			}
		}
		if x.home(s.hash) > i {
			t.Fatalf("slot %d is before its home", i)
		}
	}
	if count != x.count {
		t.Fatalf("%d slots, %d counted", count, x.count)
	}
}

func TestIndexAgreesWithAMap(t *testing.T) {
	t.Parallel()
	for _, spread := range []uint64{1 << 63, 1 << 40, 300} { // also hashes that crowd at the beginning, or at the end
		for _, from := range []uint64{0, 1<<64 - 1 - 300} {
			rng := rand.New(rand.NewPCG(spread, from))
			var x index
			want := make(map[uint64]slot)
			steps := lessUnderRace(20_000)
			if spread == 1<<40 { // all of it is one run
				steps = min(steps, 4000)
			}
			for i := range steps {
				hash := from + rng.Uint64N(spread)%(1<<64-1-from)
				switch rng.IntN(3) {
				case 0, 1:
					s := slot{hash: hash, order: rng.Uint64(), file: 1 + uint32(i), off: uint32(i)}
					x.set(s, nil)
					want[hash] = s
				case 2:
					if len(want) > 0 && rng.IntN(2) == 0 {
						for hash = range want {
							break
						}
					}
					x.remove(hash)
					delete(want, hash)
				}
				if got := x.at(hash); (got != nil) != (want[hash].file != 0) || got != nil && *got != want[hash] {
					t.Fatalf("step %d: %+v, not %+v", i, got, want[hash])
				}
				if i%997 == 0 {
					x.check(t)
				}
			}
			x.check(t)
			for hash, s := range want {
				if got := x.at(hash); got == nil || *got != s {
					t.Fatalf("%+v, not %+v", got, s)
				}
			}
			for hash := range want {
				x.remove(hash)
			}
			x.check(t)
			if len(x.slots) > 200 {
				t.Errorf("an empty table keeps %d slots", len(x.slots))
			}
		}
	}
}

func TestGrowingLeavesSlotsOfDeletedFilesBehind(t *testing.T) {
	var x index
	keep := func(s slot) bool { return s.file != 7 }
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 10_000 {
		file := uint32(7)
		if i >= 5000 {
			file, keep = 8, func(s slot) bool { return s.file == 8 }
		}
		x.set(slot{hash: rng.Uint64(), file: file}, func(s slot) bool { return i < 5000 || keep(s) })
	}
	x.check(t)
	if x.count != 5000 {
		t.Errorf("%d slots", x.count)
	}
}

// TestIndexTakesAtMost48BytesAnEntry, at its worst: whenever shards have just
// grown. The garbage collector is to find no pointer in it.
func TestIndexTakesAtMost48BytesAnEntry(t *testing.T) {
	const entries = 1_000_000
	shards := make([]index, shardCount)
	before := heap()
	rng := rand.New(rand.NewPCG(3, 3))
	worst := 0.0
	for i := range entries {
		s := slot{hash: rng.Uint64(), order: uint64(i) << 2, file: 1 + uint32(i/40_000)}
		shards[s.hash%shardCount].set(s, nil)
		if i > entries/4 && i%(entries/20) == 0 {
			worst = max(worst, bytesPerEntry(shards))
		}
	}
	perEntry := float64(heap()-before) / entries
	worst = max(worst, bytesPerEntry(shards))
	runtime.KeepAlive(shards)
	t.Logf("%.1f bytes an entry by the heap, at most %.1f by the tables", perEntry, worst)
	// The policy's ghosts come on top: 2 bytes each, up to twice the entries.
	if ghosts := 2.0; perEntry+ghosts > 48 || worst+ghosts > 48 {
		t.Errorf("%.1f bytes an entry, %.1f at worst", perEntry, worst)
	}
}

func bytesPerEntry(shards []index) float64 {
	bytes, count := 0, 0
	for i := range shards {
		bytes += cap(shards[i].slots) * 32
		count += shards[i].count
	}
	return float64(bytes) / float64(count)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// indexEntries says how many entries to measure the index with; default 200,000.
const indexEntries = "DISKCACHE_INDEX_ENTRIES"

// TestCacheTakesAtMost48BytesAnEntry measures the whole cache, not the tables.
func TestCacheTakesAtMost48BytesAnEntry(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 200,000 entries; not with -short")
	}
	entries := 200_000
	if n, err := strconv.Atoi(os.Getenv(indexEntries)); err == nil {
		entries = n
	}
	before := heap()
	c := open4test(t, newDir(t), Options{MaxBytes: max(1<<30, int64(entries)*400), MemoryBytes: -1})
	fixed := heap() - before
	data := NewView([]byte("x"))
	for i := range entries {
		mustPut(t, c, fmt.Sprint(i), data, "v")
	}
	perEntry := float64(heap()-before-fixed) / float64(entries)
	if st := c.Stats(); st.Entries != entries {
		t.Fatalf("%+v", st)
	}
	t.Logf("%.1f bytes an entry, and %d KiB whatever it holds", perEntry, fixed>>10)
	if perEntry > 50 { // 48, and what is not yet in an index block
		t.Errorf("%.1f bytes an entry", perEntry)
	}
}

// TestSipHashIsTheOneOfThePaper: the vectors of SipHash-2-4's reference code for
// inputs of 0 to 15 bytes, whose rounds are those of SipHash-1-3.
func TestSipHashIsTheOneOfThePaper(t *testing.T) {
	want := []uint64{
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
		0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
		0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
		0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
	}
	seed := &hashSeed{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	input := make([]byte, 16)
	for i := range input {
		input[i] = byte(i)
	}
	for n, w := range want {
		if got := sip(seed, string(input[:n]), 2, 4); got != w {
			t.Errorf("%d bytes: %x, want %x", n, got, w)
		}
	}
}

// TestHashIsStableAndKeyed: the next process must find what this one stored, and
// nobody without the key may compute it.
func TestHashIsStableAndKeyed(t *testing.T) {
	a, b := newKey(), newKey()
	first, again := newHashSeed(a), newHashSeed(a)
	if first.sum("key") != again.sum("key") || newHashSeed(a).sum("key") == newHashSeed(b).sum("key") {
		t.Error("the hash is not a function of cache key and key")
	}
	var seen []uint64
	seed := newHashSeed(a)
	for i := range 100_000 {
		seen = append(seen, seed.sum(fmt.Sprint("patients/", i)))
	}
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); n != 100_000 {
		t.Errorf("%d different hashes of 100,000 keys", n)
	}
}

// sip is SipHash with any number of rounds.
func sip(s *hashSeed, key string, compress, finish int) uint64 {
	v0, v1 := s.k0^0x736f6d6570736575, s.k1^0x646f72616e646f6d
	v2, v3 := s.k0^0x6c7967656e657261, s.k1^0x7465646279746573
	last := uint64(len(key)) << 56
	p := unsafe.Slice(unsafe.StringData(key), len(key))
	for ; len(p) >= 8; p = p[8:] {
		m := binary.LittleEndian.Uint64(p)
		v3 ^= m
		for range compress {
			v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		}
		v0 ^= m
	}
	for i, b := range p {
		last |= uint64(b) << (8 * i)
	}
	v3 ^= last
	for range compress {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	v0 ^= last
	v2 ^= 0xff
	for range finish {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func TestHashIsSipHash13(t *testing.T) {
	seed := &hashSeed{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	input := string(noise(300))
	for n := range len(input) {
		if got, want := seed.sum(input[:n]), sip(seed, input[:n], 1, 3); got != want {
			t.Errorf("%d bytes: %x, not %x", n, got, want)
		}
	}
}
