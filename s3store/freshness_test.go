package s3store

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// sizes are MaxInMemory for data of 3,000 bytes: it is a small entry, or a large one.
var sizes = []int64{1 << 20, 1000}

// reads are those that the cache may answer.
func reads(t *testing.T, s *Store) map[string]func() (etag string, err error) {
	return map[string]func() (string, error){
		"get":  func() (string, error) { o, err := s.Get(t.Context(), "k"); return o.ETag, err },
		"stat": func() (string, error) { i, err := s.Stat(t.Context(), "k"); return i.ETag, err },
		"open": func() (string, error) {
			file, err := s.Open(t.Context(), "k")
			if err != nil {
				return "", err
			}
			defer file.Close()
			return file.Info().ETag, nil
		},
	}
}

// lateYes carries out a peer's whole write while it is asked, and then says yes.
type lateYes struct {
	alone
	write func()
}

func (l *lateYes) Fresh(string) bool {
	if w := l.write; w != nil {
		l.write = nil
		w()
	}
	return true
}

// TestFreshnessIsAskedBeforeTheEntryIsLookedUp: what is fresh now may not have been what
// was looked up before.
func TestFreshnessIsAskedBeforeTheEntryIsLookedUp(t *testing.T) {
	for _, most := range sizes {
		peers := &lateYes{}
		s, f := cachedStore(t, Options{Coherence: peers, MaxInMemory: most})
		elsewhere := newStore(t, f.client(), s.keyring, Options{})
		for name, read := range reads(t, s) {
			putUnder(t, s, "k", noise(3000))
			var now Info
			peers.write = func() {
				s.Changing("k")
				now = put(t, elsewhere, "k", "new")
				s.Changed("k")
			}
			if got, err := read(); got != now.ETag {
				t.Errorf("%s, %d in memory: served what was old when it was asked for (%v)", name, most, err)
			}
		}
	}
}

// TestEntryIsConfirmedUnlessItIsFresh: without a lease, while a peer writes, and after
// something was missed.
func TestEntryIsConfirmedUnlessItIsFresh(t *testing.T) {
	for _, most := range sizes {
		for _, suspect := range []bool{false, true} {
			f, kr, p := newFakeS3(t), newKeyring(t), newPair()
			s := p.join(t, f, kr, Options{MaxInMemory: most})
			elsewhere := newStore(t, f.client(), kr, Options{})
			for name, read := range reads(t, s) {
				p.fresh.Store(true)
				putUnder(t, s, "k", noise(3000))
				p.fresh.Store(suspect)
				if suspect {
					s.Suspect()
				}
				now := put(t, elsewhere, "k", "new")
				if got, err := read(); got != now.ETag {
					t.Errorf("%s, %d in memory, suspect %t: the old one (%v)", name, most, suspect, err)
				}
			}
		}
	}
}

// TestWhatS3SaysIsGoneIsNotKept: the next outage must not bring it back.
func TestWhatS3SaysIsGoneIsNotKept(t *testing.T) {
	for _, most := range sizes {
		for _, name := range []string{"get", "stat", "open"} {
			s, f := cachedStore(t, Options{MaxInMemory: most, StaleIfUnavailable: true})
			putUnder(t, s, "k", noise(3000))
			f.mu.Lock()
			delete(f.objects, "k")
			f.mu.Unlock()
			s.Suspect()
			if _, err := reads(t, s)[name](); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
			f.before = answer(http.StatusServiceUnavailable, "SlowDown")
			if _, err := reads(t, s)["open"](); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%d in memory, after %s: %v", most, name, err)
			}
		}
	}
}

// TestNameOfALargeEntryIsNoKey: who asks for it is refused, and does not get the large
// object past its limit of memory, and past the writes that announce its real key.
func TestNameOfALargeEntryIsNoKey(t *testing.T) {
	s, _ := cachedStore(t, Options{MaxInMemory: 1000})
	putUnder(t, s, "k", noise(3000))
	if !isKept(s) {
		t.Fatal("not cached: this test proves nothing")
	}
	_, getErr := s.Get(t.Context(), largeName("k"))
	_, statErr := s.Stat(t.Context(), largeName("k"))
	_, openErr := s.Open(t.Context(), largeName("k"))
	for _, err := range []error{getErr, statErr, openErr} {
		if !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
}

// TestReaderOfAKeyInDoubtAsksForHimself: a request that began before may have been
// answered before the write landed, which somebody else has seen.
func TestReaderOfAKeyInDoubtAsksForHimself(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	elsewhere := newStore(t, f.client(), kr, Options{})
	put(t, elsewhere, "k", "old")
	read, release := make(chan struct{}), make(chan struct{})
	var gets atomic.Int64
	s := newStore(t, newClient("http://s3.test", doer(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			return nil, errReset
		}
		res, err := (&faulty{handler: f, at: -1}).Do(r)
		if r.Header.Get("Range") == "" && gets.Add(1) == 1 {
			close(read)
			<-release
		}
		return res, err
	}), "AKIDTEST", strings.Repeat("s", 40)), kr, Options{Cache: openCache(t, t.TempDir(), kr), LandingTime: time.Hour})
	if _, err := s.Put(t.Context(), "k", strings.NewReader("lost"), PutOptions{}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	get := func() <-chan string {
		data := make(chan string, 1)
		go func() {
			o, _ := s.Get(context.Background(), "k")
			data <- string(o.Data.Bytes())
		}()
		return data
	}
	early := get()
	<-read
	put(t, elsewhere, "k", "new")
	late := get()
	await(t, "the late one is answered, and not with the early one", func() bool { return len(late) == 1 })
	close(release)
	if a, b := <-early, <-late; a != "old" || b != "new" {
		t.Errorf("the early one read %q, the late one %q", a, b)
	}
}
