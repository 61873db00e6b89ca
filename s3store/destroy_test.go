package s3store

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

func putUnder(t *testing.T, s *Store, key string, data []byte, keys ...string) Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, bytes.NewReader(data), PutOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func mustDestroy(t *testing.T, s *Store, name string) keyring.Destruction {
	t.Helper()
	d, err := s.Destroy(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustBeDestroyed(t *testing.T, s *Store, key string) {
	t.Helper()
	if _, err := s.Get(t.Context(), key); !errors.Is(err, envelope.ErrKeyDestroyed) {
		t.Errorf("get %s: %v", key, err)
	}
	if s.cache == nil {
		return
	}
	if _, err := s.cache.Get(key); err == nil {
		t.Errorf("%s is in the cache", key)
	}
}

// TestDestroyedKeyLeavesBothTiersOfBothNodes destroys a tenant's key on one of two
// nodes and then looks everywhere: at the answers, in the keyrings, in both caches'
// memory, in their folders as the next process would find them, and in the folders of
// before under the table of secrets of after.
func TestDestroyedKeyLeavesBothTiersOfBothNodes(t *testing.T) {
	f := newFakeS3(t)
	f.versioned = true
	a, b := cluster(t, f)
	large := noise(6 << 20)
	putUnder(t, a.store, "tenant", []byte("the tenant's data"), "tenant")
	putUnder(t, a.store, "everybody", []byte("data of everybody"))
	putUnder(t, a.store, "shared", []byte("data of both"), "tenant", envelope.DefaultKey)
	putUnder(t, a.store, "large", large, "tenant")
	all := []string{"tenant", "everybody", "shared"}
	for _, n := range []*node{a, b} {
		for _, key := range all {
			if _, err := n.store.Get(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			settled(n.store)
			if e, err := n.cache.Get(key); err != nil || e.Suspect {
				t.Fatalf("%s is not cached: this test proves nothing (%v)", key, err)
			}
		}
		if st := n.cache.Stats(); st.MemoryEntries < len(all) || st.Entries < len(all) {
			t.Fatalf("not in both tiers: %+v", st)
		}
	}
	file := mustOpen(t, b.store, "large") // of ranges
	before := map[*node]string{a: a.image(t), b: b.image(t)}

	d := mustDestroy(t, a.store, "tenant")
	if d.Err() != nil || !slices.Equal(d.Destroyed, []envelope.KeyID{{Name: "tenant", Version: 1}}) {
		t.Fatalf("%+v", d)
	}

	if n := len(f.objects["ring"]); n != 1 {
		t.Errorf("%d keyring documents are left", n)
	}
	if _, err := file.ReadAt(make([]byte, 10), 3<<20); !errors.Is(err, envelope.ErrKeyDestroyed) {
		t.Errorf("an open File goes on reading: %v", err)
	}
	for _, n := range []*node{a, b} {
		if _, err := n.keys.Derive(t.Context(), d.Destroyed[0], nil); !errors.Is(err, envelope.ErrKeyDestroyed) {
			t.Errorf("a keyring has the key: %v", err)
		}
		mustBeDestroyed(t, n.store, "tenant")
		mustBeDestroyed(t, n.store, "large")
		mustGet(t, n.store, "shared", "data of both") // by its other key, and from S3
		f.requests()
		mustGet(t, n.store, "everybody", "data of everybody")
		mustAsk(t, f) // the entries of other keys are where they were
	}
	for n, image := range before {
		n.stop(t)
		kr, err := keyring.Open(t.Context(), KeyringObject(f.client(), "bucket", "ring", ServerSideEncryption{}), rawProtector(t))
		if err != nil {
			t.Fatal(err)
		}
		defer kr.Close()
		if got := entries(t, image, kr, all...); !got["tenant"] {
			t.Fatalf("the disk of before has %v: this test proves nothing", got)
		}
		left := map[string]bool{"everybody": true, "shared": true}
		if got := entries(t, n.dir, kr, all...); !maps.Equal(got, left) {
			t.Errorf("on disk: %v", got)
		}
		replaceFile(t, filepath.Join(image, "groups"), filepath.Join(n.dir, "groups"))
		if got := entries(t, image, kr, all...); got["tenant"] || !got["everybody"] {
			t.Errorf("the files of before, without their secret: %v", got)
		}
	}
}

func replaceFile(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNodeThatIsDownIsReportedAndShredsAtItsStart: until then its disk has the data.
func TestNodeThatIsDownIsReportedAndShredsAtItsStart(t *testing.T) {
	f := newFakeS3(t)
	a, b := cluster(t, f)
	putUnder(t, a.store, "k", []byte("the tenant's data"), "tenant")
	mustGet(t, b.store, "k", "the tenant's data")
	b.stop(t)
	d := mustDestroy(t, a.store, "tenant")
	if len(d.Unreached) != 1 || !strings.Contains(d.Err().Error(), `peer "b"`) {
		t.Fatalf("unreached: %v", d.Unreached)
	}
	mustBeDestroyed(t, a.store, "k")

	b.open(t, f, nil)
	mustBeDestroyed(t, b.store, "k")
	if st := b.cache.Stats(); st.Groups != 0 {
		t.Errorf("%+v", st)
	}
}

// TestNodeThatReadsAnotherKeyringDoesNotAcknowledge: it would go on opening what the
// peer believes to be gone.
func TestNodeThatReadsAnotherKeyringDoesNotAcknowledge(t *testing.T) {
	f := newFakeS3(t)
	mine, peers := newKeyring(t), newKeyring(t)
	for _, kr := range []*keyring.Keyring{mine, peers} {
		if _, err := kr.Rotate(t.Context(), "tenant"); err != nil {
			t.Fatal(err)
		}
	}
	p := newPair()
	a, b := p.join(t, f, mine, Options{}), p.join(t, f, peers, Options{})
	d := mustDestroy(t, a, "tenant")
	if len(d.Unreached) != 1 || !errors.Is(d.Err(), ErrInvalid) {
		t.Fatalf("unreached: %v", d.Unreached)
	}
	if err := b.Shred(t.Context(), []string{"tenant/1"}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	b.Close()
	if d = mustDestroy(t, a, "tenant"); !errors.Is(d.Err(), ErrClosed) {
		t.Errorf("a closed peer: %v", d.Unreached)
	}
}

// TestDestroyedVersionTakesNoEntriesOfOthers: what was re-wrapped stays, in the cache
// too, and so does what was sealed under the newer version.
func TestDestroyedVersionTakesNoEntriesOfOthers(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	a, b := p.join(t, f, kr, Options{}), p.join(t, f, kr, Options{})
	for _, key := range []string{"old", "moved"} {
		if i := put(t, a, key, key); i.KeyID.Version != 1 {
			t.Fatalf("%+v", i)
		}
	}
	rotate(t, a)
	put(t, a, "new", "new")
	if i, err := a.Rewrap(t.Context(), "moved"); err != nil || i.KeyID.Version != 2 {
		t.Fatalf("%+v, %v", i, err)
	}
	for _, key := range []string{"old", "new", "moved"} {
		mustGet(t, b, key, key)
	}
	d, err := a.DestroyVersion(t.Context(), envelope.KeyID{Name: envelope.DefaultKey, Version: 1})
	if err != nil || d.Err() != nil {
		t.Fatal(d, err)
	}
	for _, s := range []*Store{a, b} {
		mustBeDestroyed(t, s, "old")
		f.requests()
		for _, key := range []string{"new", "moved"} {
			if o := mustGet(t, s, key, key); o.KeyID.Version != 2 {
				t.Errorf("%+v", o.Info)
			}
		}
		mustAsk(t, f)
	}
	if _, err := a.DestroyVersion(t.Context(), envelope.KeyID{Name: envelope.DefaultKey, Version: 2}); !errors.Is(err, keyring.ErrInvalid) {
		t.Errorf("the newest version: %v", err)
	}
}

// TestEntryDiesWithTheLastOfItsKeys: whichever of them goes first.
func TestEntryDiesWithTheLastOfItsKeys(t *testing.T) {
	for _, order := range [][]string{{"one", "two"}, {"two", "one"}} {
		s, _ := cachedStore(t, Options{})
		for _, name := range order {
			if _, err := s.keyring.(*keyring.Keyring).Rotate(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		putUnder(t, s, "k", []byte("data"), "one", "two")
		mustDestroy(t, s, order[0])
		mustGet(t, s, "k", "data")
		settled(s)
		if _, err := s.cache.Get("k"); err != nil {
			t.Error("not cached by its other key")
		}
		mustDestroy(t, s, order[1])
		mustBeDestroyed(t, s, "k")
	}
}

// TestFillsAndWritesThatRaceWithADestructionInsertNothing: each has used the key, and
// comes to the cache when that has been shredded.
func TestFillsAndWritesThatRaceWithADestructionInsertNothing(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodHead} {
		kr, f := &interrupted{Keyring: newKeyring(t), at: -1}, newFakeS3(t)
		if _, err := kr.Rotate(t.Context(), "tenant"); err != nil {
			t.Fatal(err)
		}
		s := newStore(t, f.client(), kr, Options{Cache: openCache(t, t.TempDir(), kr)})
		data := noise(300_000)
		putUnder(t, s, "k", data, "tenant")
		s.drop("k")
		used := make(chan struct{})
		kr.at, kr.do = 0, func() { close(used) }
		reached, leave := make(chan struct{}), make(chan struct{})
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method {
				return false
			}
			if method == http.MethodGet { // in the middle of the body: the header is open already
				f.mu.Lock()
				o, _ := f.current("k")
				f.mu.Unlock()
				w.Header().Set("ETag", o.etag)
				w.Write(o.body[:200_000])
				w.(http.Flusher).Flush()
				defer w.Write(o.body[200_000:])
			}
			close(reached)
			<-leave
			return method == http.MethodGet
		}
		done := make(chan error)
		go func() {
			if method == http.MethodGet {
				_, err := s.Get(t.Context(), "k")
				done <- err
				return
			}
			_, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Keys: []string{"tenant"}})
			done <- err
		}()
		<-reached
		<-used
		mustDestroy(t, s, "tenant")
		close(leave)
		if err := <-done; err != nil { // it began before
			t.Errorf("%s: %v", method, err)
		}
		f.before = nil
		mustBeDestroyed(t, s, "k")
	}
}

// TestKeyDestroyedWhileAPutSealsLeavesNothing lets the destruction come after each use
// that a Put makes of the key: what it seals is refused, or its fence has moved.
func TestKeyDestroyedWhileAPutSealsLeavesNothing(t *testing.T) {
	for _, data := range [][]byte{little, much} {
		for at := range 3 {
			kr := &interrupted{Keyring: newKeyring(t), at: at}
			if _, err := kr.Rotate(t.Context(), "tenant"); err != nil {
				t.Fatal(err)
			}
			f := newFakeS3(t)
			s := newStore(t, f.client(), kr, Options{Cache: openCache(t, t.TempDir(), kr), plan: small})
			kr.do = func() { mustDestroy(t, s, "tenant") }
			_, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Keys: []string{"tenant"}})
			if kr.at >= 0 {
				kr.do() // the Put has used the key less often
			} else if err != nil && !errors.Is(err, envelope.ErrKeyDestroyed) {
				t.Errorf("use %d: %v", at, err)
			}
			if _, err := s.cache.Get("k"); err == nil {
				t.Errorf("use %d: cached", at)
			}
		}
	}
}

// interrupted does something after the use of a tenant's key numbered at.
type interrupted struct {
	*keyring.Keyring
	at int
	do func()
}

func (k *interrupted) Derive(ctx context.Context, id envelope.KeyID, info []byte) (out [envelope.DerivedKeySize]byte, err error) {
	out, err = k.Keyring.Derive(ctx, id, info)
	if id.Name == "tenant" && k.at >= 0 {
		if k.at--; k.at < 0 {
			k.do()
		}
	}
	return out, err
}

// TestDestroyNeedsAKeyringThatCan says so, instead of doing half of it.
func TestDestroyNeedsAKeyringThatCan(t *testing.T) {
	f := newFakeS3(t)
	s := newStore(t, f.client(), onlyKeyring{newKeyring(t)}, Options{})
	if _, err := s.Destroy(t.Context(), "default"); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if err := s.Shred(t.Context(), nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	s, _ = cachedStore(t, Options{Coherence: silent{}})
	if d := mustDestroy(t, s, envelope.DefaultKey); len(d.Unreached) != 1 {
		t.Errorf("peers that cannot be told: %v", d.Unreached)
	}
	if _, err := s.Destroy(t.Context(), "nobody"); !errors.Is(err, envelope.ErrKeyUnknown) {
		t.Error(err)
	}
	s.Close()
	if _, err := s.Destroy(t.Context(), "default"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// onlyKeyring hides what else a keyring can.
type onlyKeyring struct{ envelope.Keyring }

// silent is a Coherence with peers that cannot be told of destroyed keys.
type silent struct{}

func (silent) Fresh(string) bool                                { return true }
func (silent) Announce(context.Context, string) (func(), error) { return func() {}, nil }
