package s3store

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

func TestWhatIsPutComesBack(t *testing.T) {
	for _, withCache := range []bool{false, true} {
		f, kr := newFakeS3(t), newKeyring(t)
		o := Options{}
		if withCache {
			o.Cache = openCache(t, t.TempDir(), kr)
		}
		s := newStore(t, f.client(), kr, o)
		for _, data := range []string{"", "a", strings.Repeat("blood pressure 120/80; ", 50_000)} {
			meta := map[string]string{"kind": "Observation"}
			info, err := s.Put(t.Context(), "patients/17", strings.NewReader(data), PutOptions{Metadata: meta})
			if err != nil {
				t.Fatal(err)
			}
			got := mustGet(t, s, "patients/17", data)
			if got.ETag != info.ETag || got.Size != int64(len(data)) || !maps.Equal(got.Metadata, meta) || got.SealedSize != int64(len(f.body("patients/17"))) {
				t.Errorf("got %+v, put %+v", got.Info, info)
			}
			stat, err := s.Stat(t.Context(), "patients/17")
			if err != nil || stat.Size != info.Size || stat.ETag != info.ETag || stat.SealedSize != info.SealedSize || !maps.Equal(stat.Metadata, meta) {
				t.Errorf("stat %+v, %v", stat, err)
			}
		}
		if body := f.body("patients/17"); bytes.Contains(body, []byte("blood")) || bytes.Contains(body, []byte("Observation")) {
			t.Error("plaintext in the bucket")
		}
	}
}

func TestHitsAskNobody(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "data")
	mustAsk(t, f, "PUT k", "HEAD k")
	for range 3 {
		mustGet(t, s, "k", "data")
		if _, err := s.Stat(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	mustAsk(t, f)
}

func TestMissIsReadOnceAndKept(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	put(t, newStore(t, f.client(), kr, Options{}), "k", "data")
	s := newStore(t, f.client(), kr, Options{Cache: openCache(t, t.TempDir(), kr)})
	f.requests()
	mustGet(t, s, "k", "data")
	mustGet(t, s, "k", "data")
	mustAsk(t, f, "GET k")
}

func TestRestartedCacheIsConfirmedOnceEach(t *testing.T) {
	f, kr, dir := newFakeS3(t), newKeyring(t), t.TempDir()
	cache := openCache(t, dir, kr)
	s := newStore(t, f.client(), kr, Options{Cache: cache})
	put(t, s, "a", "data of a")
	put(t, s, "b", "data of b")
	s.Close()
	cache.Close()

	s = newStore(t, f.client(), kr, Options{Cache: openCache(t, dir, kr)})
	f.requests()
	mustGet(t, s, "a", "data of a")
	mustGet(t, s, "a", "data of a")
	mustAsk(t, f, "GET a if-none-match")
	if st := s.Stats(); st.Confirmed != 1 || st.Fetched != 0 || st.Hits != 1 {
		t.Fatalf("%+v", st)
	}
	// What changed while the process was down is noticed.
	put(t, newStore(t, f.client(), kr, Options{}), "b", "new data of b")
	f.requests()
	mustGet(t, s, "b", "new data of b")
	mustAsk(t, f, "GET b if-none-match")
}

func TestDeletedObjectIsGone(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "data")
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("stat: %v", err)
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Errorf("deleting nothing: %v", err)
	}
	// Deleted behind the store's back: found out when it is asked.
	put(t, s, "k", "data")
	f.mu.Lock()
	delete(f.objects, "k")
	f.mu.Unlock()
	s.Suspect()
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("get: %v", err)
	}
}

func TestListGoesThroughAllPages(t *testing.T) {
	s, _ := cachedStore(t, Options{})
	want := []string{"p/1", "p/2", "p/3", "p/4", "p/5", "p/6", "p/7"}
	for _, k := range append(want, "q/1") {
		put(t, s, k, "data of "+k)
	}
	var got []string
	for l, err := range s.List(t.Context(), "p/") {
		if err != nil || l.ETag == "" || l.SealedSize == 0 || l.Modified.IsZero() {
			t.Fatalf("%+v, %v", l, err)
		}
		got = append(got, l.Key)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("got %v", got)
	}
	for l := range s.List(t.Context(), "") { // a caller who stops early
		if l.Key != "p/1" {
			t.Fatal(l.Key)
		}
		break
	}
}

func TestDamageIsNeverServed(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, Options{})
	put(t, s, "a", strings.Repeat("data", 1000))
	good := f.body("a")
	for at := 0; at < len(good); at += 13 {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		f.set("a", bad)
		// Damage to a slot's key name makes it another key's.
		if _, err := s.Get(t.Context(), "a"); !errors.Is(err, ErrCorrupt) && !errors.Is(err, envelope.ErrKeyUnknown) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
	for name, body := range map[string][]byte{"cut": good[:len(good)-1], "empty": {}, "longer": append(bytes.Clone(good), 0), "not ours": []byte("plain text")} {
		f.set("a", body)
		_, err := s.Get(t.Context(), "a")
		e := (*Error)(nil)
		if !errors.Is(err, ErrCorrupt) || !errors.As(err, &e) || e.Key != "a" || e.ETag == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.set("b", good) // moved to another key
	if _, err := s.Get(t.Context(), "b"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("moved: %v", err)
	}
	f.set("a", good)
	other, err := New(f.client(), "bucket", "another store", kr, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(t.Context(), "a"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another store: %v", err)
	}
	if _, err := newStore(t, f.client(), newKeyring(t), Options{}).Get(t.Context(), "a"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another keyring: %v", err)
	}
	mustGet(t, s, "a", strings.Repeat("data", 1000))
}

// TestDamageAtRestIsCorrupt, and not S3's trouble: it is read twice, and no more.
func TestDamageAtRestIsCorrupt(t *testing.T) {
	for _, data := range [][]byte{little, noise(3_000_000)} {
		s, f := cachedStore(t, Options{StaleIfUnavailable: true})
		if _, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{}); err != nil {
			t.Fatal(err)
		}
		s.drop("k")
		f.rot("k")
		f.requests()
		if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
		mustAsk(t, f, "GET k", "GET k")
	}
}

// TestDamageInTheNameOfAKeyIsReadAgain: the header says which key opens it, and that is
// not authenticated before there is one.
func TestDamageInTheNameOfAKeyIsReadAgain(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	damage := false
	s := newStore(t, newClient("http://s3.test", doer(func(r *http.Request) (*http.Response, error) {
		res, err := (&faulty{handler: f, at: -1}).Do(r)
		if err == nil && damage && r.Method == http.MethodGet {
			damage = false
			b, _ := io.ReadAll(res.Body)
			res.Body = io.NopCloser(bytes.NewReader(bytes.Replace(b, []byte("default"), []byte("degault"), 1)))
		}
		return res, err
	}), "AKIDTEST", strings.Repeat("s", 40)), kr, Options{})
	put(t, s, "k", "data")
	rotate(t, s)
	for _, read := range []func() error{
		func() error { _, err := s.Get(t.Context(), "k"); return err },
		func() error { _, err := s.Stat(t.Context(), "k"); return err },
		func() error { _, err := s.Open(t.Context(), "k"); return err },
		func() error { _, err := s.Rewrap(t.Context(), "k"); return err },
	} {
		damage = true
		if err := read(); err != nil || damage {
			t.Errorf("damaged %t: %v", !damage, err)
		}
	}
}

func TestCacheOfAnotherStoreIsNotServed(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	cache := openCache(t, t.TempDir(), kr)
	put(t, newStore(t, f.client(), kr, Options{Cache: cache}), "k", "data of records")
	other, _ := New(newFakeS3(t).client(), "bucket", "another store", kr, Options{Cache: cache})
	if _, err := other.Get(t.Context(), "k"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func TestEntryWithoutReadableInfoIsAMiss(t *testing.T) {
	s, f := cachedStore(t, Options{})
	i, err := s.Put(t.Context(), "k", strings.NewReader("x"), PutOptions{Metadata: map[string]string{"type": "MR"}})
	if err != nil {
		t.Fatal(err)
	}
	good := i.entry(s.mark)
	for _, bad := range []func(*diskcache.Meta){
		func(m *diskcache.Meta) { m.Version = i.ETag },
		func(m *diskcache.Meta) { m.Version = "" },
		func(m *diskcache.Meta) { m.Version += "x" },
		func(m *diskcache.Meta) { m.Version = strings.TrimSuffix(m.Version, m.Version[len(m.Version)-1:]) },
		func(m *diskcache.Meta) {
			m.Version = strings.Replace(m.Version, s.mark, strings.Repeat("m", len(s.mark)), 1)
		},
		func(m *diskcache.Meta) { m.Group = "" },
		func(m *diskcache.Meta) { m.Group = "default" },
		func(m *diskcache.Meta) { m.Group = "default/99999999999" },
		func(m *diskcache.Meta) { m.Blob = []byte{2, 2, 9} },
		func(m *diskcache.Meta) { m.Blob = []byte{200, 1, 1, 'a', 1, 'b'} },
		func(m *diskcache.Meta) { m.Blob = append(m.Blob, 0) },
		func(m *diskcache.Meta) { m.Blob = bytes.Repeat([]byte{0xff}, 20) },
	} {
		meta := good
		meta.Blob = bytes.Clone(good.Blob)
		bad(&meta)
		if err := s.cache.Put("k", diskcache.NewView([]byte("x")), meta, s.cache.Fence("k")); err != nil {
			t.Fatal(err)
		}
		f.requests()
		if o := mustGet(t, s, "k", "x"); o.Metadata["type"] != "MR" {
			t.Errorf("%+v", o.Info)
		}
		mustAsk(t, f, "GET k")
		settled(s)
	}
}

func TestViewHoldsWhatItCounts(t *testing.T) {
	for _, n := range []int{1, 600, 1<<20 + 1, 3 << 20} {
		b, err := readAll(struct{ io.Reader }{strings.NewReader(strings.Repeat("x", n))}, 0, 4<<20)
		if err != nil || len(b) != n || cap(b) > n+n/4+bytes.MinRead {
			t.Errorf("%d bytes keep %d in memory, %v", n, cap(b), err)
		}
	}
}

func TestFetchesAreCountedWithoutACache(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, Options{})
	put(t, s, "k", "x")
	mustGet(t, s, "k", "x")
	if st := s.Stats(); st.Fetched != 1 || st.Puts != 1 {
		t.Errorf("%+v", st)
	}
}

func TestEveryWriteAsksForServerSideEncryption(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	put(t, newStore(t, f.client(), kr, Options{}), "k", "data")
	h := f.writes[0].Header
	if h.Get("X-Amz-Server-Side-Encryption") != "AES256" {
		t.Errorf("headers %v", h)
	}
	put(t, newStore(t, f.client(), kr, Options{ServerSide: ServerSideEncryption{KMSKeyID: "alias/phi"}}), "k", "data")
	h = f.writes[1].Header
	if h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "alias/phi" ||
		h.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled") != "true" {
		t.Errorf("headers %v", h)
	}
}

func TestBadArgumentsAreNamed(t *testing.T) {
	s, f := cachedStore(t, Options{MaxObject: 10})
	for _, key := range []string{"", strings.Repeat("k", 1025), "\xff", "a\x01", "a\uFFFE"} {
		if _, err := s.Put(t.Context(), key, strings.NewReader(""), PutOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("put: %v", err)
		}
		if _, err := s.Get(t.Context(), key); !errors.Is(err, ErrInvalid) {
			t.Errorf("get: %v", err)
		}
		if err := s.Delete(t.Context(), key); !errors.Is(err, ErrInvalid) {
			t.Errorf("delete: %v", err)
		}
	}
	if _, err := s.Put(t.Context(), "k", strings.NewReader("elevenbytes"), PutOptions{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := s.Put(t.Context(), "k", strings.NewReader(""), PutOptions{Keys: []string{"nobody"}}); !errors.Is(err, envelope.ErrKeyUnknown) {
		t.Errorf("unknown key: %v", err)
	}
	mustAsk(t, f)
	kr := newKeyring(t)
	for _, err := range []error{
		second(New(nil, "b", "i", kr, Options{})), second(New(f.client(), "", "i", kr, Options{})), second(New(f.client(), "b", "", kr, Options{})),
		second(New(f.client(), "b", "i", nil, Options{})), second(New(f.client(), "b", "i", kr, Options{MaxObject: -1})),
		second(New(f.client(), "b", "i", kr, Options{MaxObject: math.MaxInt64})), second(New(f.client(), "b", "i", kr, Options{LandingTime: -1})),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
}

func second(_ *Store, err error) error { return err }

func TestObjectTooLargeToReadIsRefused(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	put(t, newStore(t, f.client(), kr, Options{}), "k", strings.Repeat("x", 1000))
	if _, err := newStore(t, f.client(), kr, Options{MaxObject: 999}).Get(t.Context(), "k"); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	s, _ := cachedStore(t, Options{})
	s.Close()
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Put(t.Context(), "k", strings.NewReader(""), PutOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("put: %v", err)
	}
	for _, err := range s.List(t.Context(), "") {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("list: %v", err)
		}
	}
}
