package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

func newKeyring(t testing.TB) *keyring.Keyring {
	t.Helper()
	p, err := keyring.Raw(keyring.NewSecret(bytes.Repeat([]byte{5}, keyring.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	kr, err := keyring.Create(t.Context(), keyring.File(filepath.Join(t.TempDir(), "keyring")), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kr.Close() })
	return kr
}

func openCache(t testing.TB, dir string, kr envelope.Keyring) *diskcache.Cache {
	t.Helper()
	c, err := diskcache.Open(t.Context(), dir, diskcache.Options{
		Keys: envelope.Wrapper{Keyring: kr, Binding: envelope.Binding{Store: "records", Key: "cache key"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func newStore(t testing.TB, client S3, kr envelope.Keyring, o Options) *Store {
	t.Helper()
	if o.pause == 0 {
		o.pause = time.Millisecond
	}
	s, err := New(client, "bucket", "records", kr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// cachedStore is a store over a fake S3 with a cache.
func cachedStore(t testing.TB, o Options) (*Store, *fakeS3) {
	t.Helper()
	f, kr := newFakeS3(t), newKeyring(t)
	o.Cache = openCache(t, t.TempDir(), kr)
	return newStore(t, f.client(), kr, o), f
}

func put(t testing.TB, s *Store, key, data string) Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, strings.NewReader(data), PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func mustGet(t testing.TB, s *Store, key, want string) Object {
	t.Helper()
	o, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if got := string(o.Data.Bytes()); got != want {
		t.Fatalf("got %.40q, want %.40q", got, want)
	}
	return o
}

// settled waits until what was fetched is in the cache: Get does not.
func settled(s *Store) {
	for {
		s.flights.mu.Lock()
		n := len(s.flights.now)
		s.flights.mu.Unlock()
		if n == 0 {
			return
		}
		runtime.Gosched()
	}
}

func mustAsk(t testing.TB, f *fakeS3, want ...string) {
	t.Helper()
	if got := f.requests(); !slices.Equal(got, want) {
		t.Fatalf("S3 was asked %q, want %q", got, want)
	}
}

// pair joins stores in one process by the contract of [Coherence] and nothing
// else: the doubt is with every peer before Announce returns.
type pair struct {
	mu     sync.Mutex
	stores []*Store
	doubts map[string]int
	fresh  atomic.Bool
	events []string
}

func newPair() *pair {
	p := &pair{doubts: map[string]int{}}
	p.fresh.Store(true)
	return p
}

// member is one node's view of the pair.
type member struct {
	*pair
	self *Store
}

func (m *member) Fresh(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pair.fresh.Load() && m.doubts[key] == 0
}

func (m *member) Announce(_ context.Context, key string) (func(), error) {
	m.each(key, +1, "changing", (*Store).Changing)
	return func() { m.each(key, -1, "changed", (*Store).Changed) }, nil
}

// Shred is the contract of [Shredder].
func (m *member) Shred(ctx context.Context, keys []string) error {
	m.mu.Lock()
	stores := slices.Clone(m.stores)
	m.mu.Unlock()
	var errs []error
	for _, s := range stores {
		if s != m.self {
			errs = append(errs, s.Shred(ctx, keys))
		}
	}
	return errors.Join(errs...)
}

func (m *member) each(key string, doubt int, event string, tell func(*Store, string)) {
	m.mu.Lock()
	if doubt > 0 {
		m.doubts[key] += doubt
	}
	m.events = append(m.events, event)
	stores := slices.Clone(m.stores)
	m.mu.Unlock()
	for _, s := range stores {
		if s != m.self {
			tell(s, key)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if doubt < 0 {
		m.doubts[key] += doubt
	}
}

func (p *pair) join(t testing.TB, f *fakeS3, kr envelope.Keyring, o Options) *Store {
	t.Helper()
	m := &member{pair: p}
	o.Coherence, o.Cache = m, openCache(t, t.TempDir(), kr)
	m.self = newStore(t, f.client(), kr, o)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stores = append(p.stores, m.self)
	return m.self
}

func numbered(i int) string { return fmt.Sprintf("version %d %s", i, strings.Repeat("x", i%50)) }

func drain(r io.Reader) string {
	b, _ := io.ReadAll(r)
	return string(b)
}
