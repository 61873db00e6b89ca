package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// held makes the fake hold every request until its sender gives up, and answer
// with an empty 200 then, which sometimes still arrives. reached is closed when the
// first one is there.
func (f *fakeS3) held() (reached chan struct{}) {
	reached = make(chan struct{})
	var first atomic.Bool
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if first.CompareAndSwap(false, true) {
			close(reached)
		}
		<-r.Context().Done()
		return true
	}
	return reached
}

func TestCloseEndsReadsWithErrClosed(t *testing.T) {
	for name, read := range map[string]func(*Store) error{
		"shared get": func(s *Store) error { _, err := s.Get(context.Background(), "k"); return err },
		"stat":       func(s *Store) error { _, err := s.Stat(context.Background(), "k"); return err },
		"list": func(s *Store) error {
			for _, err := range s.List(context.Background(), "") {
				return err
			}
			return nil
		},
	} {
		s, f := cachedStore(t, Options{})
		reached, ended := f.held(), make(chan error)
		go func() { ended <- read(s) }()
		<-reached
		s.Close()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCloseEndsWritesAsUnknown(t *testing.T) {
	s, f := cachedStore(t, Options{})
	reached, ended := f.held(), make(chan error)
	go func() {
		_, err := s.Put(context.Background(), "k", strings.NewReader("x"), PutOptions{})
		ended <- err
	}()
	<-reached
	s.Close()
	if err := <-ended; !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestCloseWaitsForAFetchThatNobodyWaitsFor gives up a shared fetch and closes.
func TestCloseWaitsForAFetchThatNobodyWaitsFor(t *testing.T) {
	s, _ := cachedStore(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var over atomic.Bool
	gate := make(chan struct{})
	_, err := s.flights.do(ctx, s, flightName{key: "k"}, func(context.Context) (Object, func(), error) {
		cancel()
		<-gate
		return Object{}, func() { time.Sleep(50 * time.Millisecond); over.Store(true) }, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	<-s.ctx.Done() // Close is under way
	close(gate)
	<-closed
	if !over.Load() {
		t.Error("Close returned while the fetch went on")
	}
}

func TestNothingIsServedAfterClose(t *testing.T) {
	s, _ := cachedStore(t, Options{})
	put(t, s, "k", "x")
	s.Close()
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("hit: %v", err)
	}
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("stat: %v", err)
	}
}

func TestCallersOwnCancelIsNotS3sTrouble(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", strings.Repeat("x", 100))
	s.drop("k")
	body := f.body("k")
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(w http.ResponseWriter, r *http.Request) bool { // half an answer, and the caller leaves
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Header().Set("ETag", `"x"`)
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
		return true
	}
	if _, err := s.Get(ctx, "k"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestClientsOwnTimeoutIsS3sTrouble(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	f.held()
	hc := *f.Client()
	hc.Timeout = 20 * time.Millisecond
	s := newStore(t, newClient(f.URL, &hc, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{})
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

// TestOrphanOfTheProcessBefore lets a write land whose sender is gone, after the
// next process has confirmed the old version.
func TestOrphanOfTheProcessBefore(t *testing.T) {
	const landing = 50 * time.Millisecond
	f, kr, dir := newFakeS3(t), newKeyring(t), t.TempDir()
	cache := openCache(t, dir, kr)
	s := newStore(t, f.client(), kr, Options{Cache: cache, LandingTime: landing})
	put(t, s, "k", "old")
	put(t, newStore(t, f.client(), kr, Options{}), "other", "new")
	orphan := f.body("k")
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(http.ResponseWriter, *http.Request) bool { cancel(); return true }
	if _, err := s.Put(ctx, "k", strings.NewReader("new"), PutOptions{}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	f.before = nil
	s.Close()
	cache.Close()

	s = newStore(t, f.client(), kr, Options{Cache: openCache(t, dir, kr), LandingTime: landing})
	mustGet(t, s, "k", "old")
	again, err := New(f.client(), "bucket", "records", kr, Options{}) // stands for the network
	if err != nil || len(orphan) == 0 {
		t.Fatal(err)
	}
	put(t, again, "k", "new")
	s.workers.Wait() // until LandingTime has passed
	mustGet(t, s, "k", "new")
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if sleep(ctx, time.Hour) || !sleep(t.Context(), time.Hour) {
			t.Error("slept wrongly")
		}
	})
}

// TestClosedStoreIsNotKeptByItsKeyring, which outlives it, and with it a cache.
func TestClosedStoreIsNotKeptByItsKeyring(t *testing.T) {
	s, _ := cachedStore(t, Options{})
	if s.follower.store.Load() != s {
		t.Fatal("not followed: this test proves nothing")
	}
	s.Close()
	if s.follower.store.Load() != nil {
		t.Error("kept")
	}
}
