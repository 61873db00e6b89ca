package diskcache

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// survivors says what a process would find if this one were killed now. It reads the
// files as they are, by heads and frames alone.
type survivors struct {
	dir   string
	key   *cacheKey
	files map[string]leftFile // as they were when they were read last
}

// leftFile is what is in a file: by hash, the newest record, or below which all are void.
type leftFile struct {
	size   int64
	drops  bool
	newest map[uint64]uint64
}

// look returns the number of the record that would be found, by hash.
func (sv *survivors) look(t testing.TB) map[uint64]uint64 {
	t.Helper()
	names, err := os.ReadDir(sv.dir)
	if err != nil {
		t.Fatal(err)
	}
	newest, voids := make(map[uint64]uint64), make(map[uint64]uint64)
	for _, e := range names {
		number, drops, ok := parseName(e.Name())
		if !ok {
			continue
		}
		to := newest
		if drops {
			to = voids
		}
		for hash, seq := range sv.file(t, e.Name(), uint32(number), drops) {
			to[hash] = max(to[hash], seq)
		}
	}
	maps.DeleteFunc(newest, func(hash, seq uint64) bool { return seq < max(voids[hash], voids[0]) })
	return newest
}

// file reads a file, if it has grown.
func (sv *survivors) file(t testing.TB, name string, number uint32, drops bool) map[uint64]uint64 {
	f, err := os.Open(filepath.Join(sv.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if left, ok := sv.files[name]; ok && left.size == info.Size() {
		return left.newest
	}
	left := leftFile{info.Size(), drops, make(map[uint64]uint64)}
	h, s, err := openSegment(sv.key, f, number)
	switch {
	case err != nil: // its header has not been written yet
	case drops:
		readFrames(t, sv.dir, h, s, left.size, left.newest)
	default:
		readHeads(s, left.size, func(e entry) { left.newest[e.hash] = max(left.newest[e.hash], e.seq) })
	}
	sv.files[name] = left
	return left.newest
}

// readFrames notes what is void; by hash 0 everything.
func readFrames(t testing.TB, dir string, h segmentHeader, s *segment, size int64, voids map[uint64]uint64) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := &dropFile{segmentHeader: h, aead: s.aead, size: size}
	if err := f.read(root, func(f file) file { return f }, func(kind byte, hash, below uint64) {
		if kind == frameDropAll {
			hash = 0
		}
		voids[hash] = max(voids[hash], below)
	}); err != nil {
		t.Fatal(err)
	}
}

func readHeads(s *segment, size int64, use func(entry)) {
	if s.solo {
		if s.readTrailer(size) == nil {
			_, _ = entriesOf(s, s.last, use)
		}
		return
	}
	for w := (window{f: s.f, size: size}); s.size < size; {
		e, n, err := w.next(s)
		if err != nil {
			return
		}
		if n > 0 {
			use(e)
		}
	}
}

// crashes is a cache of which every state of the folder is looked at, before and after
// every write.
type crashes struct {
	t     *testing.T
	c     *Cache
	left  survivors
	o     Options
	rng   *rand.Rand
	marks map[string]uint64 // by key: no record up to this number may be found again
	seen  int
	now   string // what is being done

	evicted, copied int // by those before c
}

// look fails if anything older than what was done last would be found.
func (k *crashes) look() {
	k.seen++
	left := k.left.look(k.t)
	for key, mark := range k.marks {
		if seq := left[k.c.hash(key)]; seq != 0 && seq <= mark {
			k.t.Fatalf("%s: %s would come back with record %d, of up to %d that were replaced or dropped", k.now, key, seq, mark)
		}
	}
}

func (k *crashes) wrap(f file) file {
	return hookedFile{f, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
		if k.c == nil || k.t.Failed() {
			return write() // opening, or closing after a failure
		}
		k.look()
		n, err := write()
		k.look()
		return n, err
	}}
}

// done calls what makes void, once it has returned, what the key had before.
func (k *crashes) done(what, key string, f func() error) {
	k.now = fmt.Sprintf("%d: %s %s", k.seen, what, key)
	before := k.c.disk.seq.Load()
	if err := f(); err != nil {
		k.t.Fatalf("%s: %v", k.now, err)
	}
	k.marks[key] = before
	k.look()
}

func (k *crashes) open(dir string) {
	k.c, k.now = nil, "open"
	c := open4test(k.t, dir, k.o)
	k.left = survivors{dir, c.disk.key, make(map[string]leftFile)}
	k.c = c
	k.look()
}

func (k *crashes) count() {
	st := k.c.Stats()
	k.evicted += int(st.Evicted)
	k.copied += int(st.Reinserted)
	if st.Damaged+st.DiskErrors > 0 {
		k.t.Errorf("%+v", st)
	}
}

func (k *crashes) step() {
	key := fmt.Sprint("k", k.rng.IntN(1+k.rng.IntN(40)))
	switch r := k.rng.IntN(1000); {
	case r < 3: // killed
		k.count()
		k.open(writeFolder(k.t, onDisk(k.t, k.left.dir)))
	case r < 4:
		k.count()
		if err := k.c.Close(); err != nil {
			k.t.Fatal(err)
		}
		k.open(k.left.dir)
	case r < 5:
		k.done("drop all", key, func() error { k.c.DropAll(); return nil })
	case r < 150:
		k.done("drop", key, func() error { k.c.Drop(key); return nil })
	case r < 450:
		k.now = "get " + key
		if _, err := k.c.Get(key); err != nil && !errors.Is(err, ErrMiss) {
			k.t.Fatal(err)
		}
	default:
		size := k.rng.IntN(2500)
		if k.rng.IntN(8) == 0 {
			size = k.rng.IntN(400 << 10)
		}
		k.done("put", key, func() error {
			return k.c.Put(key, NewView(noise(size)), Meta{Version: "v"}, k.c.Fence(key))
		})
	}
}

// TestNothingOlderComesBackWheneverTheProcessIsKilled: after each Put and each Drop that
// has returned, in whatever state its own writes and those of later ones, evictions
// included, leave the folder.
func TestNothingOlderComesBackWheneverTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	const steps = 1500
	seeds := lessUnderRace(8)
	if long() {
		seeds = 100
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			k := &crashes{t: t, rng: rand.New(rand.NewPCG(seed, 7)), marks: make(map[string]uint64)}
			k.o = Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: k.wrap}
			k.open(newDir(t))
			for range steps {
				k.step()
			}
			if k.count(); k.evicted < steps/100 || k.copied == 0 {
				t.Errorf("%d segments were evicted, %d records copied", k.evicted, k.copied)
			}
		})
	}
}
