package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// model is what a bucket holds, for who is told of every write. Each key has a lock
// of its own: a writer holds it alone, readers together, so that the answer to every
// read is known. What happens to other keys meanwhile must not matter.
type model struct {
	t     *testing.T
	nodes []*Store
	keys  []modelKey
	most  int64 // that Get returns
}

type modelKey struct {
	sync.RWMutex
	name     string
	data     []byte // nil: none
	info     Info
	replaced string // a version that Restore can bring back
	was      []byte // its data
}

// TestRandomOperationsMatchAModel lets many goroutines do everything that a store can,
// on three nodes that share a bucket and tell each other, over a network that fails
// now and then.
func TestRandomOperationsMatchAModel(t *testing.T) {
	for _, c := range []struct{ failures, large bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("failures %t, large %t", c.failures, c.large), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			m := newModel(t, c.failures, c.large)
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed, uint64(w)))
					for range 60 {
						m.step(r)
					}
				})
			}
			wg.Wait()
			m.compareListing()
			for i, n := range m.nodes {
				if st := n.Stats(); st.Hits == 0 || st.Puts == 0 {
					t.Errorf("node %d: nothing was tested: %+v", i, st)
				}
			}
		})
	}
}

func newModel(t *testing.T, failures, large bool) *model {
	f, kr, p := newFakeS3(t), newKeyring(t), newPair()
	f.versioned = true
	kr.Rotate(t.Context(), "other")
	m := &model{t: t, keys: make([]modelKey, 6), most: 1 << 20}
	if large { // than half of what is written
		m.most = 2000
	}
	for i := range m.keys {
		m.keys[i].name = fmt.Sprintf("key/%d", i)
	}
	for range 3 {
		mem := &member{pair: p}
		var client S3 = newClient("http://s3.test", &flaky{faulty: faulty{handler: f, at: -1}, fails: failures}, "AKIDTEST", "0123456789012345678901234567890123456789")
		mem.self = newStore(t, client, kr, Options{Coherence: mem, Cache: openCache(t, t.TempDir(), kr), plan: small,
			MaxInMemory: m.most, pause: time.Microsecond, LandingTime: time.Hour})
		p.stores = append(p.stores, mem.self)
		m.nodes = append(m.nodes, mem.self)
	}
	return m
}

func (m *model) step(r *rand.Rand) {
	k, s := &m.keys[r.IntN(len(m.keys))], m.nodes[r.IntN(len(m.nodes))]
	if r.IntN(3) > 0 {
		k.RLock()
		defer k.RUnlock()
		m.read(r, s, k)
		return
	}
	k.Lock()
	defer k.Unlock()
	m.write(r, s, k)
}

func (m *model) read(r *rand.Rand, s *Store, k *modelKey) {
	ctx := m.t.Context()
	var got []byte
	var err error
	switch r.IntN(4) {
	case 0, 1:
		var o Object
		o, err = s.Get(ctx, k.name)
		got = o.Data.Bytes()
		if int64(len(k.data)) > m.most {
			if !errors.Is(err, ErrTooLarge) {
				m.t.Errorf("%s: %d bytes in memory, %v", k.name, len(got), err)
			}
			return
		}
	case 2:
		var f *File
		if f, err = s.Open(ctx, k.name); err == nil {
			got, err = io.ReadAll(f)
			f.Close()
		}
	case 3:
		var i Info
		if i, err = s.Stat(ctx, k.name); err == nil && i.ID == k.info.ID {
			got = k.data
		}
	}
	if k.data == nil && errors.Is(err, ErrNotFound) {
		return
	}
	if err != nil || k.data == nil || !bytes.Equal(got, k.data) {
		m.t.Errorf("%s: read %d bytes, want %d (%v), %v", k.name, len(got), len(k.data), k.data != nil, err)
	}
}

func (m *model) write(r *rand.Rand, s *Store, k *modelKey) {
	ctx := m.t.Context()
	data := noise(6000)[r.IntN(2000):][:r.IntN(4000)]
	var info Info
	var err error
	var want error
	switch op := r.IntN(8); op {
	case 0, 1, 2:
		info, err = s.Put(ctx, k.name, onlyReader{bytes.NewReader(data)}, PutOptions{})
	case 3:
		o := PutOptions{IfMatch: k.info.ETag}
		if k.data == nil {
			o = PutOptions{IfAbsent: true}
		}
		info, err = s.Put(ctx, k.name, bytes.NewReader(data), o)
	case 4:
		o := PutOptions{IfAbsent: true}
		if want = ErrExists; k.data == nil {
			o, want = PutOptions{IfMatch: `"x"`}, ErrChanged
		}
		_, err = s.Put(ctx, k.name, bytes.NewReader(data), o)
	case 5:
		err, data = s.Delete(ctx, k.name), nil
	case 6:
		info, err = s.Rewrap(ctx, k.name, []string{"default", "other"}[r.IntN(2)])
		data = k.data
		if k.data == nil {
			want = ErrNotFound
		}
	case 7:
		if k.replaced == "" {
			return
		}
		info, err = s.Restore(ctx, k.name, k.replaced)
		data = k.was
	}
	if want != nil {
		switch {
		case errors.Is(err, want):
		case errors.Is(err, ErrOutcomeUnknown), errors.Is(err, ErrUnavailable): // a try was ambiguous
			m.settle(ctx, k, k.data, err)
		default:
			m.t.Errorf("%s: want %v, got %v", k.name, want, err)
		}
		return
	}
	if err != nil {
		m.settle(ctx, k, data, err)
		return
	}
	m.wrote(k, data, info)
}

func (m *model) wrote(k *modelKey, data []byte, info Info) {
	if k.data != nil && k.info.Version != info.Version {
		k.replaced, k.was = k.info.Version, k.data
	}
	k.data, k.info = data, info
}

// settle asks what became of a write that failed: the error must not have lied.
func (m *model) settle(ctx context.Context, k *modelKey, data []byte, err error) {
	now, info, getErr := m.readFile(ctx, k.name)
	none := errors.Is(getErr, ErrNotFound)
	old := none && k.data == nil || !none && bytes.Equal(now, k.data) && info.ID == k.info.ID
	switch {
	case getErr != nil && !none:
		m.t.Errorf("%s: %v after %v", k.name, getErr, err)
	case errors.Is(err, ErrOutcomeUnknown) && (none && data == nil || !none && bytes.Equal(now, data)):
		m.wrote(k, data, info)
	case !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrUnavailable), !old:
		m.t.Errorf("%s: %v, and there is something else (old %t)", k.name, err, old)
	}
}

func (m *model) readFile(ctx context.Context, key string) ([]byte, Info, error) {
	f, err := m.nodes[0].Open(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	return all, f.Info(), err
}

// compareListing holds the bucket against the model, when nobody writes any more.
func (m *model) compareListing() {
	want := map[string]string{}
	for i := range m.keys {
		if m.keys[i].data != nil {
			want[m.keys[i].name] = m.keys[i].info.ETag
		}
	}
	for l, err := range m.nodes[0].List(m.t.Context(), "key/") {
		if err != nil || want[l.Key] != l.ETag {
			m.t.Errorf("listed %+v, want %s, %v", l, want[l.Key], err)
		}
		delete(want, l.Key)
	}
	if len(want) > 0 {
		m.t.Errorf("not listed: %v", want)
	}
}
