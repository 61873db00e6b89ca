package s3store

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// writes reports whether a request is to change an object.
func writing(r *http.Request) bool {
	return r.Method == http.MethodPut && !r.URL.Query().Has("uploadId") || r.Method == http.MethodPost && r.URL.Query().Has("uploadId") || r.Method == http.MethodDelete
}

// TestConflictIsAskedAgain: S3 answers 409 when it did not decide.
func TestConflictIsAskedAgain(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	for _, data := range [][]byte{little, much} {
		var n atomic.Int64
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if writing(r) && n.Add(1) < 3 {
				fail(w, http.StatusConflict, "ConditionalRequestConflict")
				return true
			}
			return false
		}
		f.requests()
		if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(data)}, PutOptions{IfAbsent: true}); err != nil || n.Load() != 3 {
			t.Errorf("%v after %d tries", err, n.Load())
		}
		f.before = nil
		if s.writes.doubts("k") {
			t.Error("nothing was ambiguous, but the key is in doubt")
		}
		f.requests()
		mustGet(t, s, "k", string(data))
		mustAsk(t, f) // cached
		s.Delete(t.Context(), "k")
	}
}

// TestConditionThatIsAnsweredTwice: the first answer is lost, the second says that
// somebody was there before. It was us.
func TestConditionThatIsAnsweredTwice(t *testing.T) {
	for _, data := range [][]byte{little, much} {
		s, f := cachedStore(t, Options{plan: small})
		var refused, lost atomic.Bool
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if writing(r) && f.exists("k") && !refused.Swap(true) {
				fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
				return true
			}
			return false
		}
		f.after = func(r *http.Request) {
			if writing(r) && !lost.Swap(true) {
				panic(http.ErrAbortHandler)
			}
		}
		if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(data)}, PutOptions{IfAbsent: true}); err != nil {
			t.Error(err)
		}
		mustGet(t, s, "k", string(data))
	}
}

func (f *fakeS3) exists(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.current(key)
	return ok
}

// TestLostNoIsReadOff loses the answer to a condition that did not hold. The object
// that stands in the way is older than the write, so the answer was no; but the
// request may be on its way still, and land when somebody deletes the object.
func TestLostNoIsReadOff(t *testing.T) {
	for _, c := range []struct {
		o    PutOptions
		want error
	}{{PutOptions{IfAbsent: true}, ErrExists}, {PutOptions{IfMatch: `"another"`}, ErrChanged}} {
		s, f := cachedStore(t, Options{LandingTime: time.Hour})
		put(t, s, "k", "old")
		f.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if writing(r) {
				panic(http.ErrAbortHandler)
			}
			return false
		}
		if _, err := s.Put(t.Context(), "k", strings.NewReader("new"), c.o); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("too young to tell: %v", err)
		}
		f.age("k")
		if _, err := s.Put(t.Context(), "k", strings.NewReader("new"), c.o); !errors.Is(err, c.want) || !s.writes.doubts("k") {
			t.Errorf("%v, want %v, in doubt %t", err, c.want, s.writes.doubts("k"))
		}
		mustGet(t, s, "k", "old")
	}
}

// TestConditionIsAskedBeforeTheBodyIsSent, where that is worth a round trip.
func TestConditionIsAskedBeforeTheBodyIsSent(t *testing.T) {
	s, f := cachedStore(t, Options{})
	for _, c := range []struct {
		size int
		o    PutOptions
		want string
	}{{askFirst, PutOptions{IfAbsent: true}, "100-continue"}, {10, PutOptions{IfAbsent: true}, ""}, {askFirst, PutOptions{}, ""}} {
		f.writes = nil
		s.Delete(t.Context(), "k")
		if _, err := s.Put(t.Context(), "k", bytes.NewReader(noise(c.size)), c.o); err != nil || f.writes[0].Header.Get("Expect") != c.want {
			t.Errorf("%+v: %q, %v", c, f.writes[0].Header.Get("Expect"), err)
		}
	}
}

// TestRetriedWriteStaysInDoubt: S3 answers 500 and has done nothing, the second try
// succeeds. The first may still land, for all that anybody knows.
func TestRetriedWriteStaysInDoubt(t *testing.T) {
	s, f := cachedStore(t, Options{LandingTime: time.Hour})
	put(t, s, "k", "old")
	f.age("k")
	var n atomic.Int64
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if writing(r) && n.Add(1) == 1 {
			fail(w, http.StatusInternalServerError, "InternalError")
			return true
		}
		return false
	}
	f.requests()
	if _, err := s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	// The second is conditional on what was read back: it undoes nobody's write.
	mustAsk(t, f, "PUT k", "GET k bytes=0-47", "PUT k if-match")
	mustGet(t, s, "k", "new")
	mustGet(t, s, "k", "new")
	mustAsk(t, f, "GET k", "GET k") // not inserted: each is asked for
	if !s.writes.doubts("k") {
		t.Error("not in doubt")
	}
}

// TestTwoAmbiguousTriesStayInDoubt: the second is read back, the first may land yet.
func TestTwoAmbiguousTriesStayInDoubt(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	var n atomic.Int64
	network := doer(func(r *http.Request) (*http.Response, error) {
		one := &faulty{handler: f, at: -1}
		if r.Method == http.MethodPut {
			one.at, one.kind = 0, []fault{internalError, doneAndError}[n.Add(1)-1]
		}
		return one.Do(r)
	})
	put(t, newStore(t, f.client(), kr, Options{}), "k", "old")
	f.age("k")
	s := newStore(t, newClient("http://s3.test", network, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{LandingTime: time.Hour})
	put(t, s, "k", "new")
	if n.Load() != 2 || !s.writes.doubts("k") {
		t.Errorf("%d tries, in doubt %t", n.Load(), s.writes.doubts("k"))
	}
}

// panicking is a client that panics when its request may be on its way.
type panicking struct{ S3 }

func (panicking) PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	panic("in the client")
}

func TestWriteThatPanickedStaysInDoubt(t *testing.T) {
	s := newStore(t, panicking{newFakeS3(t).client()}, newKeyring(t), Options{LandingTime: time.Hour})
	func() {
		defer func() { recover() }()
		s.Put(t.Context(), "k", strings.NewReader("x"), PutOptions{})
	}()
	if !s.writes.doubts("k") {
		t.Error("not in doubt")
	}
}

// TestRetryUndoesNobodysWrite lets somebody write between the failure and the retry.
func TestRetryUndoesNobodysWrite(t *testing.T) {
	s, f := cachedStore(t, Options{LandingTime: time.Hour})
	put(t, s, "k", "old")
	f.age("k")
	var n atomic.Int64
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !writing(r) {
			return false
		}
		switch n.Add(1) {
		case 1:
			fail(w, http.StatusInternalServerError, "InternalError")
			return true
		case 2:
			f.set("k", []byte("of somebody else, after the reading back"))
		}
		return false
	}
	info, err := s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{})
	if err != nil || n.Load() != 3 {
		t.Fatalf("%v after %d tries", err, n.Load())
	}
	if o := mustGet(t, s, "k", "new"); o.ETag != info.ETag {
		t.Error("another object")
	}
}

// TestCompletionThatWasLostIsSentAgain: an upload can be completed only once.
func TestCompletionThatWasLostIsSentAgain(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	var n atomic.Int64
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if writing(r) && n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(much), PutOptions{}); err != nil || n.Load() != 2 || f.left() != 0 {
		t.Errorf("%v after %d tries, %d uploads are left", err, n.Load(), f.left())
	}
	mustGet(t, s, "k", string(much))
}

// TestNothingIsInsertedThatS3DoesNotSayIsCurrent lets another object become current
// right after the commit, as on a versioned bucket one that was started later does.
func TestNothingIsInsertedThatS3DoesNotSayIsCurrent(t *testing.T) {
	for _, data := range [][]byte{little, much} {
		s, f := cachedStore(t, Options{plan: small})
		elsewhere := newStore(t, f.client(), s.keyring, Options{})
		var wrote atomic.Bool
		f.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead && !wrote.Swap(true) {
				put(t, elsewhere, "k", "started later")
			}
			return false
		}
		if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(data)}, PutOptions{}); err != nil {
			t.Fatal(err)
		}
		mustGet(t, s, "k", "started later")
		f.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				panic(http.ErrAbortHandler)
			}
			return false
		}
		put(t, s, "k", "HEAD fails")
		f.requests()
		mustGet(t, s, "k", "HEAD fails")
		mustAsk(t, f, "GET k")
		f.before = nil
	}
}

// TestOldEntryGoesBeforeTheDoubtEnds stops the end of a write that inserts nothing at the
// lock of the doubts: who finds no doubt must not find the old entry either.
func TestOldEntryGoesBeforeTheDoubtEnds(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "old")
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodHead {
			return false
		}
		s.writes.mu.Lock()
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	unlock := sync.OnceFunc(func() { s.writes.mu.Unlock() })
	defer unlock()
	done := make(chan error)
	go func() {
		_, err := s.Put(context.Background(), "k", strings.NewReader("new"), PutOptions{})
		done <- err
	}()
	await(t, "the old entry is gone", func() bool { return !s.has("k") })
	unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestAnotherVersionOfTheSameETagIsNotCurrent: an ETag says what an object contains, and
// somebody may have copied an older one over what was written.
func TestAnotherVersionOfTheSameETagIsNotCurrent(t *testing.T) {
	s, f := cachedStore(t, Options{})
	f.versioned = true
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodHead {
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		o, _ := f.current("k")
		w.Header().Set("ETag", o.etag)
		w.Header().Set("X-Amz-Version-Id", "another")
		return true
	}
	put(t, s, "k", "data")
	if s.has("k") {
		t.Error("inserted")
	}
}

// TestOverlappingWritesInsertNothing holds one upload open while another write of
// the key begins and ends.
func TestOverlappingWritesInsertNothing(t *testing.T) {
	s, f := cachedStore(t, Options{plan: small})
	reached, release := make(chan struct{}), make(chan struct{})
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
			close(reached)
			<-release
		}
		return false
	}
	slow := make(chan error)
	go func() {
		_, err := s.Put(context.Background(), "k", bytes.NewReader(much), PutOptions{})
		slow <- err
	}()
	<-reached
	put(t, s, "k", "quick")
	if _, _, ok := s.cached("k"); ok {
		t.Error("the quick one was inserted while the slow one was under way")
	}
	close(release)
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	if _, _, ok := s.cached("k"); ok {
		t.Error("the slow one was inserted")
	}
	mustGet(t, s, "k", string(much))
}

func TestStaleOnlyWhereAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		s, f := cachedStore(t, Options{StaleIfUnavailable: allowed})
		put(t, s, "k", "data")
		s.Suspect()
		f.before = answer(http.StatusServiceUnavailable, "SlowDown")
		o, err := s.Get(t.Context(), "k")
		i, statErr := s.Stat(t.Context(), "k")
		file, openErr := s.Open(t.Context(), "k")
		if !allowed {
			for _, err := range []error{err, statErr, openErr} {
				if !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			}
			continue
		}
		if err != nil || statErr != nil || openErr != nil || string(o.Data.Bytes()) != "data" || !o.Stale || !i.Stale || !file.Info().Stale || drain(file) != "data" {
			t.Errorf("%+v, %v, %v, %v", o.Info, err, statErr, openErr)
		}
		if _, err := s.Get(t.Context(), "nothing"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("what is not cached: %v", err)
		}
		f.before = answer(http.StatusForbidden, "AccessDenied")
		if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrDenied) {
			t.Errorf("a refusal is an answer: %v", err)
		}
		f.before = nil
		if o := mustGet(t, s, "k", "data"); o.Stale || s.Stats().Stale != 3 {
			t.Errorf("stale %t, %+v", o.Stale, s.Stats())
		}
	}
}

// TestCallTimeoutEndsAStalledCall in virtual time would need a virtual network; the
// network here waits for the context alone.
func TestCallTimeoutEndsAStalledCall(t *testing.T) {
	n := &faulty{kind: stalled, at: 0, onwards: true}
	s := newStore(t, newClient("http://s3.test", n, "AKIDTEST", strings.Repeat("s", 40)), newKeyring(t), Options{CallTimeout: time.Millisecond})
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Put(t.Context(), "k", strings.NewReader("x"), PutOptions{}); !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
	if got := s.patience(16 << 20); got != 3*time.Millisecond {
		t.Errorf("16 MiB are given %v", got)
	}
}
