package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/hipaakit/hipaakit/envelope"
)

// ranged is a store without a cache, and one large object in it.
func ranged(t *testing.T, n int, c envelope.Compression) (*Store, *fakeS3, []byte) {
	t.Helper()
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, Options{})
	data := noise(n)
	if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(data)}, PutOptions{Compression: c}); err != nil {
		t.Fatal(err)
	}
	f.requests()
	return s, f, data
}

func mustOpen(t *testing.T, s *Store, key string) *File {
	t.Helper()
	file, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func TestFileIsAFile(t *testing.T) {
	for _, n := range []int{0, 1, 100_000, 9 << 20} {
		for _, c := range []envelope.Compression{envelope.CompressFast, envelope.CompressNone} {
			s, _, data := ranged(t, n, c)
			if n < 1<<20 { // it reads byte by byte, too
				if err := iotest.TestReader(mustOpen(t, s, "k"), data); err != nil {
					t.Errorf("%d bytes: %v", n, err)
				}
			}
			var all bytes.Buffer
			file := mustOpen(t, s, "k")
			if file.Size() != int64(n) || file.Info().Size != int64(n) {
				t.Errorf("size %d", file.Size())
			}
			if _, err := io.Copy(&all, file); err != nil || !bytes.Equal(all.Bytes(), data) {
				t.Errorf("%d bytes copied: %v", n, err)
			}
		}
	}
}

// TestReadsMatchTheData makes random reads and seeks, from several goroutines.
func TestReadsMatchTheData(t *testing.T) {
	s, _, data := ranged(t, 5<<20, envelope.CompressFast)
	file := mustOpen(t, s, "k")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range 25 {
				off := r.Int64N(int64(len(data)))
				p := make([]byte, r.IntN(300_000))
				n, err := file.ReadAt(p, off)
				if err != nil && err != io.EOF || !bytes.Equal(p[:n], data[off:off+int64(n)]) || err == nil && n < len(p) {
					t.Errorf("%d bytes at %d: %d, %v", len(p), off, n, err)
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(seed, 99))
	for range 25 {
		off, _ := file.Seek(r.Int64N(int64(len(data))), io.SeekStart)
		p := make([]byte, r.IntN(300_000))
		n, err := io.ReadFull(file, p)
		if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF || !bytes.Equal(p[:n], data[off:off+int64(n)]) {
			t.Fatalf("at %d: %v", off, err)
		}
	}
	wg.Wait()
}

// TestRangeReadsFetchTheRange counts the bytes that S3 is asked for.
func TestRangeReadsFetchTheRange(t *testing.T) {
	s, f, _ := ranged(t, 20<<20, envelope.CompressNone)
	file := mustOpen(t, s, "k")
	opened := asked(t, f)
	if opened > headBytes+2*envelope.DefaultSegmentLength {
		t.Errorf("opening asked for %d bytes", opened)
	}
	// None begins where the one before ended: that would be reading on.
	for _, off := range []int64{17 << 20, 3<<20 + 1, 11 << 20, 6<<20 + 5, 14<<20 - 7} {
		if _, err := file.ReadAt(make([]byte, 100_000), off); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		for _, line := range f.log {
			if !strings.Contains(line, "if-match") {
				t.Errorf("not pinned: %s", line)
			}
		}
		f.mu.Unlock()
		// Two segments hold it, or three.
		if n := asked(t, f); n > 4*envelope.DefaultSegmentLength {
			t.Errorf("100,000 bytes asked for %d", n)
		}
	}
}

// asked sums the ranges of the requests since the last call.
func asked(t *testing.T, f *fakeS3) (sum int64) {
	t.Helper()
	for _, line := range f.requests() {
		_, after, ok := strings.Cut(line, "bytes=")
		var from, to int64
		if _, err := fmt.Sscanf(after, "%d-%d", &from, &to); !ok || err != nil {
			t.Fatalf("not a range: %s", line)
		}
		sum += to - from + 1
	}
	return sum
}

func TestSequentialReadsFetchAheadAndOnce(t *testing.T) {
	s, f, data := ranged(t, 20<<20, envelope.CompressNone)
	file := mustOpen(t, s, "k")
	f.requests()
	got, err := io.ReadAll(struct{ io.Reader }{file})
	if err != nil || !bytes.Equal(got, data) {
		t.Fatal(err)
	}
	log := f.requests()
	if len(log) > 15 {
		t.Errorf("%d requests for 20 MiB: %q", len(log), log)
	}
	f.mu.Lock()
	f.log = log
	f.mu.Unlock()
	if n := asked(t, f); n > 21<<20 {
		t.Errorf("%d bytes for 20 MiB", n)
	}
}

func TestOpenServesTheCache(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "some data")
	f.requests()
	file := mustOpen(t, s, "k")
	if got := drain(file); got != "some data" || file.Info().Key != "k" {
		t.Errorf("%q", got)
	}
	mustAsk(t, f)
	s.Suspect()
	if got := drain(mustOpen(t, s, "k")); got != "some data" {
		t.Errorf("%q", got)
	}
	mustAsk(t, f, "GET k if-none-match")
	// A small one that is not cached is, afterwards.
	s.drop("k")
	drain(mustOpen(t, s, "k"))
	f.requests()
	mustGet(t, s, "k", "some data")
	mustAsk(t, f)
}

func TestRangesOfALargeObjectLeaveTheCacheAlone(t *testing.T) {
	s, f := cachedStore(t, Options{MaxInMemory: 6 << 20})
	data := noise(6<<20 + 1)
	if _, err := s.Put(t.Context(), "large", onlyReader{bytes.NewReader(data)}, PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "large"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("get: %v", err)
	}
	file := mustOpen(t, s, "large")
	if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%v", err)
	}
	if _, _, ok := s.cached("large"); ok {
		t.Error("it is in the cache")
	}
	// One that the cache would take, but that nobody asked for as a whole.
	put(t, s, "medium", string(noise(5<<20)))
	s.drop("medium")
	f.requests()
	if _, err := mustOpen(t, s, "medium").ReadAt(make([]byte, 1000), 2<<20); err != nil {
		t.Error(err)
	}
	if n := asked(t, f); n > 1<<20 {
		t.Errorf("%d bytes were fetched for 1000", n)
	}
	if _, _, ok := s.cached("medium"); ok {
		t.Error("it is in the cache")
	}
}

func TestGetOfALargeObjectReadsItsHeaderOnly(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, Options{MaxInMemory: 1 << 20})
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(noise(20<<20)), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrTooLarge) || s.Stats().Fetched != 0 {
		t.Errorf("%v", err)
	}
}

func TestObjectThatMovesUnderAFileIsSaid(t *testing.T) {
	for _, versioned := range []bool{false, true} {
		s, f, data := ranged(t, 5<<20, envelope.CompressNone)
		f.versioned = versioned
		if versioned { // written again, so that it has a version
			s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Compression: envelope.CompressNone})
		}
		file := mustOpen(t, s, "k")
		other := noise(5<<20 + 10)[10:]
		if _, err := s.Put(t.Context(), "k", bytes.NewReader(other), PutOptions{Compression: envelope.CompressNone}); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 1000)
		switch _, err := file.ReadAt(p, 1<<20); {
		case versioned && (err != nil || !bytes.Equal(p, data[1<<20:][:1000])):
			t.Errorf("of its version: %v", err)
		case !versioned && !errors.Is(err, ErrChanged):
			t.Errorf("without versions: %v", err)
		}
		s.Delete(t.Context(), "k")
		if _, err := file.ReadAt(p, 2<<20); !versioned && !errors.Is(err, ErrChanged) {
			t.Errorf("deleted: %v", err)
		}
	}
}

// TestServerWithoutIfMatchIsNotBelieved answers ranges of the new object.
func TestServerWithoutIfMatchIsNotBelieved(t *testing.T) {
	s, f, data := ranged(t, 5<<20, envelope.CompressNone)
	file := mustOpen(t, s, "k")
	s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Compression: envelope.CompressNone})
	f.before = func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("If-Match"); return false }
	if _, err := file.ReadAt(make([]byte, 10), 3<<20); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	f.before = func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }
	if _, err := s.Open(t.Context(), "k"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestDamagedObjectIsNamedAndNoByteOfItComes(t *testing.T) {
	s, f, _ := ranged(t, 5<<20, envelope.CompressNone)
	sealed := f.body("k")
	sealed[2<<20] ^= 1
	f.set("k", sealed)
	file := mustOpen(t, s, "k")
	p := bytes.Repeat([]byte{7}, 1000)
	n, err := file.ReadAt(p, 2<<20-2500)
	e := (*Error)(nil)
	if n != 0 || !errors.Is(err, ErrCorrupt) || !errors.As(err, &e) || e.Key != "k" || e.ETag != file.Info().ETag {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := io.Copy(io.Discard, file); !errors.Is(err, ErrCorrupt) {
		t.Errorf("copy: %v", err)
	}
	f.set("k", sealed[:len(sealed)-1])
	if _, err := s.Open(t.Context(), "k"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("cut off: %v", err)
	}
}

func TestFileEndsWithItsContextAndWithTheStore(t *testing.T) {
	s, _, _ := ranged(t, 5<<20, envelope.CompressNone)
	ctx, cancel := context.WithCancel(t.Context())
	file, err := s.Open(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := file.ReadAt(make([]byte, 10), 1<<20); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	file.Close()
	file = mustOpen(t, s, "k")
	file.Close()
	if _, err := file.Read(make([]byte, 10)); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	file = mustOpen(t, s, "k")
	s.Close() // does not wait for files that somebody forgot
	if _, err := file.Read(make([]byte, 10)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestFileIsServedOverHTTP(t *testing.T) {
	s, _, data := ranged(t, 3<<20, envelope.CompressFast)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, err := s.Open(r.Context(), "k")
		if err != nil {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		defer file.Close()
		http.ServeContent(w, r, "scan.dcm", file.Info().Modified, file)
	}))
	defer web.Close()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL, nil)
	req.Header.Set("Range", "bytes=1000000-2500000")
	res, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusPartialContent || !bytes.Equal(got, data[1_000_000:2_500_001]) {
		t.Errorf("%s, %d bytes, %v", res.Status, len(got), err)
	}
}
