package s3store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

// TestCallersDoNotWaitForTheDiskUnlessItIsBehind: what is fetched is handed out before
// it is inserted, but only so much of it.
func TestCallersDoNotWaitForTheDiskUnlessItIsBehind(t *testing.T) {
	for _, behind := range []bool{false, true} {
		s, _ := cachedStore(t, Options{})
		if behind {
			s.flights.late.Store(maxLate)
		}
		inserting, disk := make(chan struct{}), make(chan struct{})
		answered := make(chan struct{})
		go func() {
			o, err := s.flights.do(t.Context(), s, flightName{key: "k"}, func(context.Context) (Object, func(), error) {
				return Object{Info: Info{Size: 1}}, func() { close(inserting); <-disk }, nil
			})
			if err != nil || o.Size != 1 {
				t.Errorf("%+v, %v", o, err)
			}
			close(answered)
		}()
		<-inserting
		if behind {
			select {
			case <-answered:
				t.Error("answered before the disk had it, though that is far behind")
			default:
			}
		} else {
			<-answered
			// Who comes now is served, and asks nobody.
			o, err := s.flights.do(t.Context(), s, flightName{key: "k"}, nil)
			if err != nil || o.Size != 1 || s.flights.late.Load() != 1 {
				t.Errorf("%+v, %v, %d bytes late", o, err, s.flights.late.Load())
			}
		}
		close(disk)
		<-answered
		settled(s)
		if want := map[bool]int64{true: maxLate}[behind]; s.flights.late.Load() != want {
			t.Errorf("%d bytes are late", s.flights.late.Load())
		}
	}
}

// TestBodiesAreSignedWhereThereIsNoTLS: and where there is, their checksum is.
func TestBodiesAreSignedWhereThereIsNoTLS(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	plain := httptest.NewServer(f)
	defer plain.Close()
	for endpoint, client := range map[string]*http.Client{f.URL: f.Client(), plain.URL: plain.Client()} {
		for _, data := range [][]byte{little, much} {
			f.writes = nil
			s := newStore(t, newClient(endpoint, client, "AKIDTEST", strings.Repeat("s", 40)), kr, Options{plan: small})
			if _, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Compression: envelope.CompressNone}); err != nil {
				t.Fatal(err)
			}
			body := f.body("k")
			parts := 0
			for _, w := range f.writes {
				if w.Method != http.MethodPut {
					continue
				}
				parts++
				sum := sha256.Sum256(body[:w.ContentLength])
				body = body[w.ContentLength:]
				want := hex.EncodeToString(sum[:])
				if endpoint == f.URL {
					want = "UNSIGNED-PAYLOAD"
				}
				if got := w.Header.Get("X-Amz-Content-Sha256"); got != want && (want == "UNSIGNED-PAYLOAD" || len(data) == len(little)) {
					t.Errorf("%s: signed as %s, want %s", endpoint, got, want)
				} else if len(got) != len(want) {
					t.Errorf("%s: signed as %s", endpoint, got) // parts come in any order
				}
				if !strings.Contains(w.Header.Get("Authorization"), "x-amz-checksum-crc32c") {
					t.Errorf("%s: the checksum is not signed", endpoint)
				}
			}
			if parts == 0 || len(body) != 0 {
				t.Errorf("%d parts, %d bytes are left", parts, len(body))
			}
		}
	}
}

// TestNobodyJoinsAFetchThatEveryoneHasLeft: it is ending, and who comes next would end
// with it.
func TestNobodyJoinsAFetchThatEveryoneHasLeft(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	reached, release := make(chan struct{}), make(chan struct{})
	var n atomic.Int64
	s := newStore(t, newClient("http://s3.test", doer(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet && n.Add(1) == 1 {
			close(reached)
			<-release // it takes its time to end
		}
		return (&faulty{handler: f, at: -1}).Do(r)
	}), "AKIDTEST", strings.Repeat("s", 40)), kr, Options{Cache: openCache(t, t.TempDir(), kr)})
	put(t, newStore(t, f.client(), kr, Options{}), "k", "data")
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := s.Get(ctx, "k")
		left <- err
	}()
	<-reached
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	next := make(chan error, 1)
	go func() {
		_, err := s.Get(context.Background(), "k")
		next <- err
	}()
	defer close(release)
	await(t, "the next one is answered", func() bool { return len(next) == 1 })
	if err := <-next; err != nil {
		t.Error(err)
	}
}
