package s3store

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
)

func answer(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
		return true
	}
}

func TestAnswersOfS3AreTold(t *testing.T) {
	s, f := cachedStore(t, Options{})
	for _, c := range []struct {
		status int
		code   string
		read   error
		write  error
	}{
		{403, "AccessDenied", ErrDenied, ErrDenied},
		{404, "NoSuchBucket", ErrRefused, ErrRefused},
		{404, "NoSuchKey", ErrNotFound, ErrNotFound},
		{400, "InvalidRequest", ErrRefused, ErrRefused},
		{500, "InternalError", ErrUnavailable, ErrOutcomeUnknown},
		{503, "SlowDown", ErrUnavailable, ErrOutcomeUnknown},
	} {
		f.before = answer(c.status, c.code)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := s.Get(ctx, "k"); !errors.Is(err, c.read) {
			t.Errorf("%s: get: %v", c.code, err)
		}
		f.requests()
		if _, err := s.Put(ctx, "k", strings.NewReader("x"), PutOptions{}); !errors.Is(err, c.write) {
			t.Errorf("%s: put: %v", c.code, err)
		}
		if n := count(f.requests(), "PUT k"); n != 1 { // never a second time without having looked
			t.Errorf("%s: %d requests", c.code, n)
		}
		cancel()
	}
}

// TestHollowAnswerIsNotBelieved answers everything with an empty 200.
func TestHollowAnswerIsNotBelieved(t *testing.T) {
	s, f := cachedStore(t, Options{LandingTime: time.Hour})
	put(t, s, "k", "data")
	s.drop("k")
	f.before = func(http.ResponseWriter, *http.Request) bool { return true }
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrCorrupt) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrCorrupt) {
		t.Errorf("stat: %v", err)
	}
	listed := 0
	for _, err := range s.List(t.Context(), "") {
		listed++
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("list: %v", err)
		}
	}
	if listed != 1 {
		t.Errorf("an empty answer was taken for an empty bucket")
	}
	if _, err := s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{}); !errors.Is(err, ErrOutcomeUnknown) || !s.writes.doubts("k") {
		t.Errorf("put: %v", err)
	}
	f.before = nil
	mustGet(t, s, "k", "data") // it was not stored, and nothing hides that
}

func TestErrorsNameNoObject(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, Options{})
	client := f.client()
	f.Close() // connection refused
	s.client = client
	const key = "patients/jane-doe"
	_, getErr := s.Get(t.Context(), key)
	_, putErr := s.Put(t.Context(), key, strings.NewReader("x"), PutOptions{})
	_, statErr := s.Stat(t.Context(), key)
	for op, err := range map[string]error{"get": getErr, "put": putErr, "stat": statErr, "delete": s.Delete(t.Context(), key)} {
		e := (*Error)(nil)
		if !errors.Is(err, ErrUnavailable) || !errors.As(err, &e) || e.Key != key || e.Op != op {
			t.Errorf("%s: %v", op, err)
		}
		if strings.Contains(err.Error(), "jane") || strings.Contains(err.Error(), "http") {
			t.Errorf("%s: the error names the object: %v", op, err)
		}
	}
}

func TestBrokenAnswerIsNotTakenForDamage(t *testing.T) {
	s, f := cachedStore(t, Options{})
	data := strings.Repeat("some data, ", 100_000)
	put(t, s, "k", data)
	s.drop("k")
	body := f.body("k")
	for _, n := range []int{0, 10, 200, len(body) - 1} {
		f.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.Header().Set("ETag", `"x"`)
			w.Write(body[:n])
			panic(http.ErrAbortHandler)
		}
		if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrCorrupt) {
			t.Errorf("broken off after %d: %v", n, err)
		}
	}
	f.before = nil
	mustGet(t, s, "k", data)
}

func count(log []string, line string) (n int) {
	for _, l := range log {
		if l == line {
			n++
		}
	}
	return n
}

// TestLostAnswerOfAPutIsReadBack loses the answer of a write that took place: it is
// found in S3, and so is certain.
func TestLostAnswerOfAPutIsReadBack(t *testing.T) {
	s, f := cachedStore(t, Options{LandingTime: time.Hour})
	put(t, s, "k", "old")
	f.requests()
	f.after = func(*http.Request) { panic(http.ErrAbortHandler) }
	info, err := s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{})
	if err != nil || s.writes.doubts("k") {
		t.Fatalf("%v, in doubt %t", err, s.writes.doubts("k"))
	}
	mustAsk(t, f, "PUT k", "GET k bytes=0-47", "HEAD k")
	if o := mustGet(t, s, "k", "new"); o.ETag != info.ETag {
		t.Error("another ETag")
	}
	mustAsk(t, f) // it is in the cache
}

// TestLostRequest loses writes on their way: nothing shows them, and they may land
// yet. Until they no longer can, the key is only served as S3 has it.
func TestLostRequest(t *testing.T) {
	for _, op := range []string{"put", "delete"} {
		s, f := cachedStore(t, Options{LandingTime: time.Hour})
		put(t, s, "k", "old")
		mustGet(t, s, "k", "old")
		f.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut || r.Method == http.MethodDelete {
				panic(http.ErrAbortHandler)
			}
			return false
		}
		f.requests()
		var err error
		if op == "put" {
			_, err = s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{})
		} else {
			err = s.Delete(t.Context(), "k")
		}
		if !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrUnavailable) {
			t.Fatalf("%s: %v", op, err)
		}
		if n := count(f.requests(), strings.ToUpper(op)+" k"); n > 1 {
			t.Errorf("%s was sent %d times: the first may land on top of somebody's later write", op, n)
		}
		for range 2 {
			mustGet(t, s, "k", "old")
		}
		mustAsk(t, f, "GET k", "GET k")
	}
}

func TestDoubtEndsWhenTheWriteCannotLandAnyMore(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	s := p.join(t, f, kr, Options{LandingTime: 10 * time.Millisecond})
	put(t, s, "k", "old")
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if _, err := s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	f.before = nil
	for s.writes.doubts("k") || !s.fresh("k") {
		time.Sleep(time.Millisecond)
	}
	mustGet(t, s, "k", "old")
	f.requests()
	mustGet(t, s, "k", "old")
	mustAsk(t, f)
}

func TestWriteGivenUpInFlightIsUnknown(t *testing.T) {
	s, f := cachedStore(t, Options{LandingTime: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	f.before = func(http.ResponseWriter, *http.Request) bool { cancel(); <-release; return false }
	_, err := s.Put(ctx, "k", strings.NewReader("x"), PutOptions{})
	close(release)
	if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !s.writes.doubts("k") {
		t.Fatal("the key is not in doubt")
	}
}

func TestWriteWithDeadContextSendsNothing(t *testing.T) {
	s, f := cachedStore(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, "k", strings.NewReader("x"), PutOptions{})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	mustAsk(t, f)
}

func TestFailedAnnouncementWritesNothing(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, Options{Coherence: mute{}, Cache: openCache(t, t.TempDir(), kr)})
	if _, err := s.Put(t.Context(), "k", strings.NewReader("x"), PutOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	mustAsk(t, f)
	if s.writes.doubts("k") {
		t.Fatal("left in doubt")
	}
}

// mute is a Coherence whose peers do not answer in time.
type mute struct{ alone }

func (mute) Announce(context.Context, string) (func(), error) { return nil, context.DeadlineExceeded }

func TestFailingCacheIsAMiss(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	dir := t.TempDir()
	cache, err := diskcache.Open(t.Context(), dir, diskcache.Options{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t, f.client(), kr, Options{Cache: cache})
	data := strings.Repeat("0123456789abcdef", 1<<17) // too large for that cache? it compresses, so close it as well
	put(t, s, "k", data)
	mustGet(t, s, "k", data)
	cache.Close()
	mustGet(t, s, "k", data)
	put(t, s, "k", "short")
	mustGet(t, s, "k", "short")
}
