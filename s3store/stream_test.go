package s3store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// small is a plan whose parts are small enough for a test to have many.
var small = plan{least: 1000, most: 1 << 20, parts: 10_000, growth: 1000, copied: 3000}

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8(sha256.Sum256([]byte("noise")))
	r.Read(b)
	return b
}

// onlyReader hides everything that tells a length.
type onlyReader struct{ io.Reader }

func TestStreamsOfEveryLength(t *testing.T) {
	for _, withCache := range []bool{true, false} {
		o := Options{plan: small}
		f, kr := newFakeS3(t), newKeyring(t)
		if withCache {
			o.Cache = openCache(t, t.TempDir(), kr)
		}
		s := newStore(t, f.client(), kr, o)
		for _, n := range []int{0, 1, 500, 999, 1000, 1001, 2000, 5000, 300_000} {
			for _, source := range []io.Reader{onlyReader{bytes.NewReader(noise(n))}, bytes.NewReader(noise(n)), iotest.DataErrReader(bytes.NewReader(noise(n)))} {
				i, err := s.Put(t.Context(), "k", source, PutOptions{})
				if err != nil || i.Size != int64(n) || i.SealedSize != int64(len(f.body("k"))) {
					t.Fatalf("%d bytes: %+v, %v", n, i, err)
				}
				mustGet(t, s, "k", string(noise(n)))
				if stat, err := s.Stat(t.Context(), "k"); err != nil || stat.Size != int64(n) || stat.ID != i.ID || stat.ETag != i.ETag {
					t.Fatalf("%d bytes: stat %+v, %v", n, stat, err)
				}
			}
		}
		if f.left() != 0 {
			t.Errorf("%d uploads are left", f.left())
		}
		if hits := s.Stats().Hits; withCache != (hits > 0) {
			t.Errorf("%d hits", hits)
		}
	}
}

func TestStatOfAStreamThatNobodyKnewTheSizeOf(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, Options{plan: small})
	if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(noise(400_000))}, PutOptions{Metadata: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	f.requests()
	i, err := s.Stat(t.Context(), "k")
	if err != nil || i.Size != 400_000 || i.Metadata["a"] != "b" {
		t.Errorf("%+v, %v", i, err)
	}
	if n := len(f.requests()); n > 3 {
		t.Errorf("%d requests to learn a size", n)
	}
}

// TestFailedUploadLeavesNothing fails an upload in every way that is not S3's.
func TestFailedUploadLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		source func(cancel func()) io.Reader
		want   error
	}{
		"source fails": {func(func()) io.Reader {
			return io.MultiReader(bytes.NewReader(noise(50_000)), iotest.ErrReader(boom))
		}, ErrSource},
		"caller gives up": {func(cancel func()) io.Reader {
			return io.MultiReader(bytes.NewReader(noise(50_000)), readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
		}, context.Canceled},
		"too large": {func(func()) io.Reader { return onlyReader{bytes.NewReader(noise(100_001))} }, ErrTooLarge},
	} {
		s, f := cachedStore(t, Options{plan: small, MaxObject: 100_000})
		put(t, s, "k", "old")
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Put(ctx, "k", c.source(cancel), PutOptions{})
		cancel()
		if !errors.Is(err, c.want) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s: %v", name, err)
		}
		if f.left() != 0 || s.writes.doubts("k") {
			t.Errorf("%s: %d uploads are left, in doubt %t", name, f.left(), s.writes.doubts("k"))
		}
		f.requests()
		mustGet(t, s, "k", "old")
		mustAsk(t, f) // and what was cached is still there
	}
}

// TestNoPartIsOnItsWayBehindAFailedUpload holds a part while the source fails. A part
// that S3 gets after the upload was aborted stays there, and is billed.
func TestNoPartIsOnItsWayBehindAFailedUpload(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	under := &underWay{next: f.Client()}
	parts := small
	parts.least = 1 << 20
	s := newStore(t, newClient(f.URL, under, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{plan: parts})
	source := io.MultiReader(bytes.NewReader(noise(12<<20)), iotest.ErrReader(errors.New("boom")))
	if _, err := s.Put(t.Context(), "k", source, PutOptions{Compression: envelope.CompressNone}); !errors.Is(err, ErrSource) || !under.held.Load() {
		t.Fatal(err)
	}
	if n := under.now.Load(); n != 0 || !under.abortedLast.Load() || f.left() != 0 {
		t.Errorf("%d requests are on their way, aborted last %t, %d uploads are left", n, under.abortedLast.Load(), f.left())
	}
}

// underWay counts requests, and holds the first that uploads a part until it is given
// up.
type underWay struct {
	next        *http.Client
	held        atomic.Bool
	now         atomic.Int64
	abortedLast atomic.Bool
}

func (u *underWay) Do(r *http.Request) (*http.Response, error) {
	n := u.now.Add(1)
	defer u.now.Add(-1)
	if r.URL.Query().Has("partNumber") && !u.held.Swap(true) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if r.Method == http.MethodDelete {
		u.abortedLast.Store(n == 1)
	}
	return u.next.Do(r)
}

type readerFunc func([]byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }

// TestSourceThatPanicsLeavesNothing: an application may well recover it.
func TestSourceThatPanicsLeavesNothing(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	func() {
		defer func() { recover() }()
		s.Put(t.Context(), "k", io.MultiReader(bytes.NewReader(noise(50_000)), readerFunc(func([]byte) (int, error) { panic("boom") })), PutOptions{})
	}()
	if f.left() != 0 || s.writes.doubts("k") {
		t.Errorf("%d uploads are left, in doubt %t", f.left(), s.writes.doubts("k"))
	}
}

func TestPartsAreSentInParallelAndNotTooMany(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	var now, most atomic.Int64
	gate := make(chan struct{})
	var once sync.Once
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") == "" {
			return false
		}
		n := now.Add(1)
		defer now.Add(-1)
		raise(&most, n)
		if n == maxParallel {
			once.Do(func() { close(gate) })
		}
		<-gate // none goes on before so many are there
		return false
	}
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(noise(100_000)), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if most.Load() != maxParallel {
		t.Errorf("%d parts at once, want %d", most.Load(), maxParallel)
	}
}

func TestProgressCountsUpToTheEnd(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	for _, n := range []int{10, 100_000} {
		var last Progress
		i, err := s.Put(t.Context(), "k", bytes.NewReader(noise(n)), PutOptions{Progress: func(p Progress) {
			if p.Data < last.Data || p.Sealed < last.Sealed || p.Size != int64(n) {
				t.Errorf("%+v after %+v", p, last)
			}
			last = p
		}})
		if err != nil || last.Data != int64(n) || last.Sealed != i.SealedSize {
			t.Errorf("in the end %+v of %+v, %v", last, i, err)
		}
	}
	var last Progress
	file, err := newStore(t, f.client(), s.keyring, Options{}).OpenWith(t.Context(), "k", OpenOptions{Progress: func(p Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if n, err := io.Copy(io.Discard, file); err != nil || last.Data != n || last.Size != n || n != 100_000 {
		t.Errorf("read %d, told %+v, %v", n, last, err)
	}
}

// TestProgressCountsWhatIsSentOnce, however often it has to be sent.
func TestProgressCountsWhatIsSentOnce(t *testing.T) {
	for _, kind := range []fault{lostRequest, lostAnswer, internalError, doneAndError, slowDown, hollowAnswer} {
		f, kr := newFakeS3(t), newKeyring(t)
		i := put(t, newStore(t, f.client(), kr, Options{}), "k", "old")
		network := &faulty{handler: f, kind: kind, at: 0}
		s := newStore(t, newClient("http://s3.test", network, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{})
		var last Progress
		info, err := s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{IfMatch: i.ETag, Progress: func(p Progress) { last = p }})
		if err != nil || last.Sealed != info.SealedSize {
			t.Errorf("%v: %d bytes sealed of %d, %v", kind, last.Sealed, info.SealedSize, err)
		}
	}
}

// TestProgressThatPanicsIsTheCallersPanic: he can recover from it, and nothing is left
// behind.
func TestProgressThatPanicsIsTheCallersPanic(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	for _, data := range [][]byte{little, much} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Progress: func(p Progress) {
				if p.Sealed > 0 {
					panic("in a callback")
				}
			}})
		}()
		if f.left() != 0 || s.writes.doubts("k") {
			t.Errorf("%d uploads are left, in doubt %t", f.left(), s.writes.doubts("k"))
		}
		mustGet(t, s, "k", string(little)) // that was committed, the other was not
	}
}

func TestSizeThatWasPromisedIsHeld(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	for _, n := range []int{10, 50_000} {
		for _, wrong := range []int64{int64(n) - 1, int64(n) + 1} {
			_, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(noise(n))}, PutOptions{Size: wrong})
			if !errors.Is(err, ErrSource) || errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bytes said to be %d: %v", n, wrong, err)
			}
		}
		if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(noise(n))}, PutOptions{Size: int64(n)}); err != nil {
			t.Error(err)
		}
	}
	for _, cut := range []io.Reader{bytes.NewReader(little), bytes.NewBuffer(little), strings.NewReader(string(little))} {
		if _, err := s.Put(t.Context(), "cut", cut, PutOptions{Size: 500}); !errors.Is(err, ErrSource) {
			t.Errorf("%T that was cut short: %v", cut, err)
		}
	}
	if _, err := s.Put(t.Context(), "k", onlyReader{strings.NewReader("")}, PutOptions{Size: -1}); !errors.Is(err, ErrInvalid) {
		t.Errorf("negative: %v", err)
	}
	if f.left() != 0 {
		t.Error("uploads are left")
	}
}

// TestFileThatGrowsIsStoredAsItWasRead: its length was a guess.
func TestFileThatGrowsIsStoredAsItWasRead(t *testing.T) {
	s, _ := cachedStore(t, Options{plan: small})
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, noise(50_000), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if got := guess(in, -1); got != 50_000 {
		t.Errorf("guessed %d", got)
	}
	var grown bool
	i, err := s.Put(t.Context(), "k", struct {
		io.ReadSeeker
		stater
	}{in, in}, PutOptions{Progress: func(Progress) {
		if !grown {
			grown = true
			in.WriteAt(noise(20_000), 50_000)
		}
	}})
	if err != nil || i.Size != 70_000 {
		t.Errorf("%+v, %v", i, err)
	}
}

type stater interface{ Stat() (os.FileInfo, error) }

// TestUploadThatSomebodyEndedIsRefused, as a lifecycle rule does: the object is neither
// missing nor another one.
func TestUploadThatSomebodyEndedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		ends func(*http.Request) bool
		do   func(*testing.T, *Store) error
	}{
		"before a part":        {func(r *http.Request) bool { return r.URL.Query().Has("partNumber") }, putInParts},
		"before a copied part": {func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }, rewrapInParts},
		"before the end":       {func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }, putInParts},
	} {
		s, f := cachedStore(t, Options{plan: small})
		if err := putInParts(t, s); err != nil {
			t.Fatal(err)
		}
		rotate(t, s)
		f.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if c.ends(r) {
				f.mu.Lock()
				clear(f.uploads)
				f.mu.Unlock()
			}
			return false
		}
		if err := c.do(t, s); !errors.Is(err, ErrRefused) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func putInParts(t *testing.T, s *Store) error {
	_, err := s.Put(t.Context(), "k", bytes.NewReader(much), PutOptions{})
	return err
}

// rewrapInParts is after [rotate].
func rewrapInParts(t *testing.T, s *Store) error {
	_, err := s.Rewrap(t.Context(), "k")
	return err
}

// TestIdentityIsTheObjectID: reading back trusts that the fixed prefix of an
// envelope ends with it.
func TestIdentityIsTheObjectID(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	for _, n := range []int{10, 50_000} {
		i, err := s.Put(t.Context(), "k", bytes.NewReader(noise(n)), PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := envelope.NewReader(t.Context(), bytes.NewReader(f.body("k")), s.keyring, s.binding("k"))
		if err != nil || r.Info().ID != i.ID || i.ID == (envelope.ObjectID{}) {
			t.Errorf("%v, want %v, %v", i.ID, r.Info().ID, err)
		}
	}
}

// TestUploadThatSomebodyElseCleansUpIsNoError: nodes may clean up at the same time.
func TestUploadThatSomebodyElseCleansUpIsNoError(t *testing.T) {
	s, f := cachedStore(t, Options{})
	f.uploads["left"] = &fakeUpload{"k", map[int][]byte{}, time.Now().Add(-48 * time.Hour)}
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			f.mu.Lock()
			clear(f.uploads)
			f.mu.Unlock()
		}
		return false
	}
	if n, err := s.CleanUploads(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("%d aborted, %v", n, err)
	}
}
