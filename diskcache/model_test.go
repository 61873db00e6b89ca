package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// model says what a cache that never evicts must do, in the simplest way.
type model struct {
	t       *testing.T
	c       *Cache
	dir     string
	o       Options
	rng     *rand.Rand
	entries map[string]modelEntry
	fences  []modelFence
	n       int
}

type modelEntry struct {
	n, size int
	suspect bool
}

type modelFence struct {
	key  string
	f    Fence
	dead bool
}

// TestRandomOperationsAgreeWithAMap, restarts and fences held for long
// included.
func TestRandomOperationsAgreeWithAMap(t *testing.T) {
	t.Parallel()
	seeds := uint64(3)
	if long() {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{
				t: t, dir: newDir(t), rng: rand.New(rand.NewPCG(seed, 0)),
				entries: make(map[string]modelEntry),
				// Segments of 256 KiB, a memory tier too small for most.
				o: Options{MaxBytes: 64 << 20, MemoryBytes: int64(seed%4)*300_000 - 1, Keys: testKeys{}},
			}
			m.c = open4test(t, m.dir, m.o)
			for range 1000 {
				m.step()
			}
			if st := m.c.Stats(); st.Evicted+st.Damaged+st.DiskErrors > 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func (m *model) step() {
	key := fmt.Sprint("key", m.rng.IntN(12))
	switch r := m.rng.IntN(200); {
	case r < 70:
		m.get(key)
	case r < 110:
		m.fences = append(m.fences, modelFence{key: key, f: m.c.Fence(key)})
	case r < 150:
		m.put()
	case r < 165:
		m.confirm()
	case r < 180:
		m.c.Drop(key)
		delete(m.entries, key)
		m.kill(key)
	case r < 190:
		m.c.Revoke(key)
		m.kill(key)
	case r < 194:
		m.c.Suspect()
		m.suspectAll()
	case r < 196:
		m.c.DropAll()
		clear(m.entries)
		m.suspectAll()
	case r < 199:
		m.c = reopen(m.t, m.c, m.dir, m.o)
		m.suspectAll()
		m.fences = nil
	}
}

func (m *model) kill(key string) {
	for i := range m.fences {
		// Keys that share a bucket would die together; with 12 keys in 65,536
		// buckets the model may ignore them.
		m.fences[i].dead = m.fences[i].dead || m.fences[i].key == key
	}
}

func (m *model) suspectAll() {
	for key, e := range m.entries {
		e.suspect = true
		m.entries[key] = e
	}
	for i := range m.fences {
		m.fences[i].dead = true
	}
}

func (m *model) get(key string) {
	want, ok := m.entries[key]
	if m.rng.IntN(3) == 0 {
		m.open(key)
	}
	e, err := m.c.Get(key)
	switch {
	case ok != (err == nil):
		m.t.Fatalf("Get(%s): %v, but the model says %v", key, err, ok)
	case ok && (e.Version != fmt.Sprint(want.n) || e.Suspect != want.suspect || !is(e, content(key, want.n, want.size))):
		m.t.Fatalf("Get(%s): %v suspect %v, but the model says %+v", key, e, e.Suspect, want)
	}
}

func (m *model) open(key string) {
	want, ok := m.entries[key]
	r, err := m.c.Open(key)
	if ok != (err == nil) {
		m.t.Fatalf("Open(%s): %v, but the model says %v", key, err, ok)
	}
	if ok {
		defer r.Close()
		i := r.Info()
		got, err := io.ReadAll(r)
		if err != nil || i.Version != fmt.Sprint(want.n) || i.Suspect != want.suspect || !bytes.Equal(got, content(key, want.n, want.size)) {
			m.t.Fatalf("Open(%s): %v suspect %v, but the model says %+v", key, i, i.Suspect, want)
		}
	}
}

// takeFence uses a random fence up.
func (m *model) takeFence() (modelFence, bool) {
	if len(m.fences) == 0 {
		return modelFence{}, false
	}
	i := m.rng.IntN(len(m.fences))
	f := m.fences[i]
	m.fences[i] = m.fences[len(m.fences)-1]
	m.fences = m.fences[:len(m.fences)-1]
	return f, true
}

func (m *model) put() {
	f, ok := m.takeFence()
	if !ok {
		return
	}
	m.n++
	size := m.rng.IntN(300)
	if m.rng.IntN(4) == 0 {
		size = m.rng.IntN(heldBytes + heldBytes/4)
	}
	data, meta := content(f.key, m.n, size), Meta{Version: fmt.Sprint(m.n)}
	put := func() error { return m.c.Put(f.key, NewView(data), meta, f.f) }
	if m.rng.IntN(3) == 0 {
		put = func() error { return m.c.PutFrom(m.t.Context(), f.key, bytes.NewReader(data), -1, meta, f.f) }
	}
	err := put()
	if f.dead != errors.Is(err, ErrFenced) || (!f.dead && err != nil) {
		m.t.Fatalf("Put with a fence dead=%v: %v", f.dead, err)
	}
	if !f.dead {
		m.entries[f.key] = modelEntry{n: m.n, size: size}
	}
}

func (m *model) confirm() {
	f, ok := m.takeFence()
	if !ok {
		return
	}
	e, exists := m.entries[f.key]
	n := e.n - m.rng.IntN(2) // the right version, or the one before
	want := exists && !f.dead && n == e.n
	if got := m.c.Confirm(f.key, fmt.Sprint(n), f.f); got != want {
		m.t.Fatalf("Confirm = %v, but the model says %v", got, want)
	}
	if want {
		e.suspect = false
		m.entries[f.key] = e
	}
}
