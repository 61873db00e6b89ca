package s3store

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNoRequestIsRetriedByTheSDK, by what each says of itself: behind the store's back, a
// write could land twice.
func TestNoRequestIsRetriedByTheSDK(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	f.versioned = true
	var seen sync.Map // methods; parts are sent at once
	s := newStore(t, newClient("http://s3.test", doer(func(r *http.Request) (*http.Response, error) {
		if got := r.Header.Get("Amz-Sdk-Request"); got != "attempt=1; max=1" {
			t.Errorf("%s %s: %q", r.Method, r.URL, got)
		}
		seen.Store(r.Method, true)
		return (&faulty{handler: f, at: -1}).Do(r)
	}), "AKIDTEST", strings.Repeat("s", 40)), kr, Options{plan: small, Cache: openCache(t, t.TempDir(), kr)})
	f.uploads["left"] = &fakeUpload{"k", nil, time.Time{}}
	for _, data := range [][]byte{little, much} {
		i, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rotate(t, s)
		s.Suspect()
		for _, do := range []func() error{
			func() error { _, err := s.Get(t.Context(), "k"); return err },
			func() error { _, err := s.GetVersion(t.Context(), "k", i.Version); return err },
			func() error { _, err := s.Rewrap(t.Context(), "k"); return err },
			func() error { _, err := s.Restore(t.Context(), "k", i.Version); return err },
			func() error { _, err := s.DeleteAll(t.Context(), "k"); return err },
			func() error { _, err := s.CleanUploads(t.Context(), 0); return err },
		} {
			if err := do(); err != nil {
				t.Error(err)
			}
		}
		for _, err := range s.Versions(t.Context(), "k") {
			if err != nil {
				t.Error(err)
			}
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if _, ok := seen.Load(method); !ok {
			t.Errorf("no %s was seen: this test proves little", method)
		}
	}
}

// TestAnswerHasTheTimeThatItsSizeTakes: a large body is not a stalled one.
func TestAnswerHasTheTimeThatItsSizeTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{options: Options{CallTimeout: time.Second}}
		last := func(size int64, lasts time.Duration) error {
			_, err := limited(t.Context(), s, 0, func(ctx context.Context) (struct{}, error) {
				s.extend(ctx, size)
				sleep(ctx, lasts)
				return struct{}{}, context.Cause(ctx)
			})
			return err
		}
		if err := last(9*perTimeout, 9*time.Second); err != nil {
			t.Errorf("ended within its time: %v", err)
		}
		if err := last(9*perTimeout, 11*time.Second); err == nil {
			t.Error("not ended")
		}
	})
}
