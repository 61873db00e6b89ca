package s3store

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestNoWriteLandsTwice has S3 carry out a write and answer that it failed. Somebody
// sees it, writes in its place, and is told that this is done: so it stays.
func TestNoWriteLandsTwice(t *testing.T) {
	for _, c := range []struct {
		name, first, then string // "": no object
		o                 PutOptions
	}{
		{"put", "first", "second", PutOptions{}},
		{"put, then deleted", "first", "", PutOptions{}},
		{"created", "first", "second", PutOptions{IfAbsent: true}},
		{"created, then deleted", "first", "", PutOptions{IfAbsent: true}},
		{"deleted", "", "second", PutOptions{}},
	} {
		f, kr := newFakeS3(t), newKeyring(t)
		network := &faulty{handler: f, kind: doneAndError, at: 0}
		s := newStore(t, newClient("http://s3.test", network, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{})
		elsewhere := newStore(t, f.client(), kr, Options{})
		write := func(s *Store, data string) error {
			if data == "" {
				return s.Delete(t.Context(), "k")
			}
			_, err := s.Put(t.Context(), "k", strings.NewReader(data), c.o)
			return err
		}
		if c.first == "" {
			put(t, elsewhere, "k", "old")
		}
		var meanwhile atomic.Bool
		f.after = func(*http.Request) {
			if meanwhile.Swap(true) {
				return
			}
			if o, _ := elsewhere.Get(t.Context(), "k"); string(o.Data.Bytes()) != c.first {
				t.Errorf("%s: somebody sees %q", c.name, o.Data.Bytes())
			}
			c.o = PutOptions{}
			if err := write(elsewhere, c.then); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if err := write(s, c.first); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s: %v", c.name, err)
		}
		if o, _ := elsewhere.Get(t.Context(), "k"); string(o.Data.Bytes()) != c.then {
			t.Errorf("%s: %q has landed on top of %q", c.name, o.Data.Bytes(), c.then)
		}
	}
}

// TestRetryThatLandedIsNotSentOnTopOfAnother: the first try did nothing, the second took
// place without an answer, and somebody wrote after it. The third asks for what the
// second was to replace, and is refused.
func TestRetryThatLandedIsNotSentOnTopOfAnother(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	elsewhere := newStore(t, f.client(), kr, Options{})
	put(t, elsewhere, "k", "old")
	f.age("k")
	var n atomic.Int64
	s := newStore(t, newClient("http://s3.test", doer(func(r *http.Request) (*http.Response, error) {
		one := &faulty{handler: f, at: -1}
		if r.Method == http.MethodPut {
			switch n.Add(1) {
			case 1:
				one.at, one.kind = 0, internalError
			case 2:
				one.at, one.kind = 0, lostAnswer
				defer put(t, elsewhere, "k", "second")
			}
		}
		return one.Do(r)
	}), "AKIDTEST", strings.Repeat("s", 40)), kr, Options{})
	if _, err := s.Put(t.Context(), "k", strings.NewReader("first"), PutOptions{}); !errors.Is(err, ErrOutcomeUnknown) || n.Load() != 3 {
		t.Errorf("%v after %d tries", err, n.Load())
	}
	mustGet(t, elsewhere, "k", "second")
}

// TestThrottledWriteIsSentAgain: S3 says SlowDown before it does anything, so that even
// what cannot be made conditional is sent again.
func TestThrottledWriteIsSentAgain(t *testing.T) {
	s, f := cachedStore(t, Options{})
	var n atomic.Int64
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		throttled := writing(r) && n.Add(1)%2 == 1
		if throttled {
			fail(w, http.StatusServiceUnavailable, "SlowDown")
		}
		return throttled
	}
	put(t, s, "k", "data")
	mustGet(t, s, "k", "data")
	if err := s.Delete(t.Context(), "k"); err != nil || n.Load() != 4 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
}

// TestObjectInPartsIsAsOldAsItsUpload: S3 dates such an object back to when its upload
// was begun, and it may replace a younger one. A write that was seen before that is not
// said to have changed nothing.
func TestObjectInPartsIsAsOldAsItsUpload(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	elsewhere := newStore(t, f.client(), kr, Options{plan: small})
	network := &faulty{handler: f, kind: lostAnswer, at: 0}
	s := newStore(t, newClient("http://s3.test", network, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{})
	var meanwhile atomic.Bool
	f.after = func(*http.Request) {
		if meanwhile.Swap(true) {
			return
		}
		if _, err := elsewhere.Put(t.Context(), "k", onlyReader{bytes.NewReader(much)}, PutOptions{}); err != nil {
			t.Error(err)
		}
		f.age("k")
	}
	if _, err := s.Put(t.Context(), "k", strings.NewReader("first"), PutOptions{IfAbsent: true}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("it took place and was replaced, and the answer is %v", err)
	}
}

// TestMissingBucketIsNoChangedObject: of the two 404, one is the answer to If-Match.
func TestMissingBucketIsNoChangedObject(t *testing.T) {
	for code, want := range map[string]error{"NoSuchKey": ErrChanged, "NoSuchBucket": ErrRefused, "NoSuchUpload": ErrRefused} {
		s, f := cachedStore(t, Options{plan: small})
		i := put(t, s, "k", "old")
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if writing(r) {
				fail(w, http.StatusNotFound, code)
			}
			return writing(r)
		}
		_, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(much)}, PutOptions{IfMatch: i.ETag})
		if !errors.Is(err, want) || errors.Is(err, ErrChanged) != (want == ErrChanged) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
