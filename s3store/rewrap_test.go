package s3store

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

func rotate(t *testing.T, s *Store) {
	t.Helper()
	kr := s.keyring.(interface {
		Rotate(ctx context.Context, name string) (envelope.KeyID, error)
	})
	if _, err := kr.Rotate(t.Context(), envelope.DefaultKey); err != nil {
		t.Fatal(err)
	}
}

// TestRewrapKeepsWhatIsCached: the data is the same, and nobody has to fetch it again.
func TestRewrapKeepsWhatIsCached(t *testing.T) {
	for _, data := range [][]byte{little, much} {
		s, f := cachedStore(t, Options{plan: small})
		before, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Metadata: map[string]string{"a": "b"}})
		if err != nil {
			t.Fatal(err)
		}
		rotate(t, s)
		after, err := s.Rewrap(t.Context(), "k")
		if err != nil || after.ETag == before.ETag || after.ID != before.ID {
			t.Fatalf("%+v, %v", after, err)
		}
		f.requests()
		if o := mustGet(t, s, "k", string(data)); o.ETag != after.ETag || o.Metadata["a"] != "b" || o.ID != after.ID {
			t.Errorf("%+v, want %+v", o.Info, after)
		}
		mustAsk(t, f)
		s.Suspect()
		mustGet(t, s, "k", string(data))
		mustAsk(t, f, "GET k if-none-match") // by its new ETag
		if st := s.Stats(); st.Confirmed != 1 || st.Fetched != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// TestRewrapOfNothingToDoKnowsTheSize of what was stored without it.
func TestRewrapOfNothingToDoKnowsTheSize(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(much)}, PutOptions{}); err != nil {
		t.Fatal(err)
	}
	f.writes = nil
	if i, err := s.Rewrap(t.Context(), "k"); err != nil || i.Size != int64(len(much)) || len(f.writes) != 0 {
		t.Errorf("size %d, want %d; %d writes, %v", i.Size, len(much), len(f.writes), err)
	}
}

// TestRewrapDoesNotKeepTheDataOfAnotherObject: what this node has cached is older than
// what it re-wraps.
func TestRewrapDoesNotKeepTheDataOfAnotherObject(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "old")
	put(t, newStore(t, f.client(), s.keyring, Options{}), "k", "new")
	rotate(t, s)
	if _, err := s.Rewrap(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	mustGet(t, s, "k", "new")
}

// TestDamageOnItsWayIsNotReWrapped: each answer in turn is damaged, and what is stored
// behind the new header is as it was.
func TestDamageOnItsWayIsNotReWrapped(t *testing.T) {
	for _, data := range [][]byte{little, much} {
		for damaged := range 4 {
			f, kr := newFakeS3(t), newKeyring(t)
			clean := newStore(t, f.client(), kr, Options{plan: small})
			if _, err := clean.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{}); err != nil {
				t.Fatal(err)
			}
			rotate(t, clean)
			network := &faulty{handler: f, kind: corrupted, at: damaged}
			s := newStore(t, newClient("http://s3.test", network, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{plan: small})
			if _, err := s.Rewrap(t.Context(), "k"); err != nil {
				t.Errorf("answer %d of %d bytes: %v", damaged, len(data), err)
			}
			mustGet(t, clean, "k", string(data))
		}
	}
}

// TestObjectOfTwoKeysOutlivesOne: what can be read can be restored and re-wrapped, to
// the key that is left.
func TestObjectOfTwoKeysOutlivesOne(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	f.versioned = true
	s := newStore(t, f.client(), kr, Options{})
	if _, err := kr.Rotate(t.Context(), "mortal"); err != nil {
		t.Fatal(err)
	}
	old := putUnder(t, s, "k", little, envelope.DefaultKey, "mortal")
	putUnder(t, s, "other", little, envelope.DefaultKey, "mortal")
	put(t, s, "k", "newer")
	mustDestroy(t, s, "mortal")
	if _, err := s.Restore(t.Context(), "k", old.Version); err != nil {
		t.Errorf("restore: %v", err)
	}
	mustGet(t, s, "k", string(little))
	if _, err := s.Rewrap(t.Context(), "other"); err != nil {
		t.Errorf("re-wrap: %v", err)
	}
	mustGet(t, s, "other", string(little))
}

// TestRewrappedElsewhereIsRecognised: an entry found at start, of an object that was
// re-wrapped since, is good under its new ETag. Its body is not read again.
func TestRewrappedElsewhereIsRecognised(t *testing.T) {
	s, f := cachedStore(t, Options{})
	data := strings.Repeat("data ", 100_000)
	put(t, s, "k", data)
	rotate(t, s)
	after, err := newStore(t, f.client(), s.keyring, Options{}).Rewrap(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	s.Suspect()
	if o := mustGet(t, s, "k", data); o.ETag != after.ETag {
		t.Errorf("%+v", o.Info)
	}
	if st := s.Stats(); st.Confirmed != 1 || st.Fetched != 0 {
		t.Errorf("%+v", st)
	}
	f.requests()
	mustGet(t, s, "k", data)
	mustAsk(t, f)
}

// TestRewrapIsAWriteForThePeers: they have cached it under the old ETag.
func TestRewrapIsAWriteForThePeers(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	a, b := p.join(t, f, kr, Options{}), p.join(t, f, kr, Options{})
	put(t, a, "k", "data")
	mustGet(t, b, "k", "data")
	rotate(t, a)
	p.events = nil
	if _, err := a.Rewrap(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.events, " "); got != "changing changed" {
		t.Error(got)
	}
	mustGet(t, b, "k", "data")
}

// TestRewrapDoesNotUndoAWrite writes at each request of a re-wrap in turn.
func TestRewrapDoesNotUndoAWrite(t *testing.T) {
	for _, data := range [][]byte{little, much} {
		for at := 0; ; at++ {
			s, f := cachedStore(t, Options{plan: small})
			elsewhere := newStore(t, f.client(), s.keyring, Options{})
			if _, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{}); err != nil {
				t.Fatal(err)
			}
			rotate(t, s)
			var n atomic.Int64
			f.before = func(http.ResponseWriter, *http.Request) bool {
				if n.Add(1) == int64(at)+1 {
					put(t, elsewhere, "k", "new")
				}
				return false
			}
			_, err := s.Rewrap(t.Context(), "k")
			if n.Load() <= int64(at) {
				break
			}
			if err != nil && !errors.Is(err, ErrChanged) {
				t.Errorf("at request %d: %v", at, err)
			}
			if o, err := elsewhere.Get(t.Context(), "k"); err != nil || string(o.Data.Bytes()) != "new" {
				t.Errorf("at request %d: the write is undone, %v", at, err)
			}
			if f.left() != 0 {
				t.Error("an upload is left")
			}
		}
	}
}

// TestLargeRewrapCopiesInS3 counts what goes through this process.
func TestLargeRewrapCopiesInS3(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(noise(50_000)), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	rotate(t, s)
	f.writes = nil
	if _, err := s.Rewrap(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	var sent int64
	copied := 0
	for _, r := range f.writes {
		sent += max(r.ContentLength, 0)
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			copied++
			if r.Header.Get("X-Amz-Copy-Source-If-Match") == "" {
				t.Error("a part is copied from whatever is there")
			}
		}
	}
	if copied < 10 || sent > 10_000 {
		t.Errorf("%d parts were copied, %d bytes sent", copied, sent)
	}
}

// TestRewrapRefusesWhatIsDamaged: it would be sealed a second time.
func TestRewrapRefusesWhatIsDamaged(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", strings.Repeat("data ", 1000))
	rotate(t, s)
	sealed := f.body("k")
	sealed[len(sealed)-20] ^= 1
	f.set("k", sealed)
	e := (*Error)(nil)
	if _, err := s.Rewrap(t.Context(), "k"); !errors.Is(err, ErrCorrupt) || !errors.As(err, &e) || e.Op != "rewrap" {
		t.Error(err)
	}
	if !bytes.Equal(f.body("k"), sealed) {
		t.Error("it was written")
	}
}

func TestBadArgumentsOfTheOtherOperations(t *testing.T) {
	s, f := cachedStore(t, Options{})
	for name, err := range map[string]error{
		"rewrap":      fails(s.Rewrap(t.Context(), "")),
		"restore":     fails(s.Restore(t.Context(), "k", "")),
		"restore key": fails(s.Restore(t.Context(), "", "v")),
		"version":     fails(s.GetVersion(t.Context(), "k", "")),
		"version key": fails(s.GetVersion(t.Context(), "", "v")),
		"open":        fails(s.Open(t.Context(), "")),
		"open old":    fails(s.OpenWith(t.Context(), "", OpenOptions{Version: "v"})),
		"copy to":     fails(s.Copy(t.Context(), "", "k", PutOptions{})),
		"delete all":  fails(s.DeleteAll(t.Context(), "")),
		"clean":       fails(s.CleanUploads(t.Context(), -1)),
		"conditions":  fails(s.Put(t.Context(), "k", strings.NewReader(""), PutOptions{IfAbsent: true, IfMatch: "x"})),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range s.Versions(t.Context(), "") {
		if !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
	mustAsk(t, f)
}

func fails[T any](_ T, err error) error { return err }

func TestMissingObjectsAreNotFound(t *testing.T) {
	s, f := cachedStore(t, Options{})
	f.versioned = true
	i := put(t, s, "k", "x")
	s.Delete(t.Context(), "k")
	for name, err := range map[string]error{
		"rewrap":  fails(s.Rewrap(t.Context(), "k")),
		"open":    fails(s.Open(t.Context(), "k")),
		"copy":    fails(s.Copy(t.Context(), "k", "to", PutOptions{})),
		"restore": fails(s.Restore(t.Context(), "k", "v999999")),
		"version": fails(s.GetVersion(t.Context(), "k", "v999999")),
		"marker":  fails(s.GetVersion(t.Context(), "k", "v000002")),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if o, err := s.GetVersion(t.Context(), "k", i.Version); err != nil || string(o.Data.Bytes()) != "x" {
		t.Errorf("%v", err)
	}
	if _, _, ok := s.cached("k"); ok {
		t.Error("an older version is in the cache as the current one")
	}
}

// TestCopyTellsWhoFailed: the source is S3 here, not the caller.
func TestCopyTellsWhoFailed(t *testing.T) {
	s, f, _ := ranged(t, 2<<20, envelope.CompressNone)
	sealed := f.body("k")
	sealed[1<<20] ^= 1
	f.set("k", sealed)
	e := (*Error)(nil)
	_, err := s.Copy(t.Context(), "k", "to", PutOptions{})
	if !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrSource) || !errors.As(err, &e) || e.Op != "copy" || e.Key != "k" {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), "to"); !errors.Is(err, ErrNotFound) {
		t.Errorf("half a copy: %v", err)
	}
}
