package s3store

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// huge is more than a store of largeOptions holds in memory, and than a cache's stream
// holds there.
var huge = noise(6 << 20)

func largeOptions() Options { return Options{MaxInMemory: 1 << 20} }

func putBig(t *testing.T, s *Store, data []byte) Info {
	t.Helper()
	i, err := s.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{Compression: envelope.CompressNone, Metadata: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func mustRead(t *testing.T, s *Store, want []byte) Info {
	t.Helper()
	file := mustOpen(t, s, "k")
	defer file.Close()
	if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes, want %d (or others), %v", len(got), len(want), err)
	}
	return file.Info()
}

func isKept(s *Store) bool {
	r, _, _, ok := s.large("k")
	if ok {
		r.Close()
	}
	return ok
}

// TestLargeObjectIsReadFromTheCacheItWasWrittenThrough however its length becomes known.
func TestLargeObjectIsReadFromTheCacheItWasWrittenThrough(t *testing.T) {
	for name, source := range map[string]io.Reader{
		"known":      bytes.NewReader(huge),
		"not known":  onlyReader{bytes.NewReader(huge)},
		"one upload": bytes.NewReader(huge[:3<<20]), // sealed in memory
	} {
		s, f := cachedStore(t, largeOptions())
		want := huge
		if name == "one upload" {
			want = huge[:3<<20]
		}
		put, err := s.Put(t.Context(), "k", source, PutOptions{Metadata: map[string]string{"a": "b"}})
		if err != nil {
			t.Fatal(err)
		}
		f.requests()
		got := mustRead(t, s, want)
		stat, err := s.Stat(t.Context(), "k")
		for _, i := range []Info{got, stat} {
			if i.ETag != put.ETag || i.ID != put.ID || i.KeyID != put.KeyID || i.Size != int64(len(want)) || i.SealedSize != put.SealedSize || i.Metadata["a"] != "b" {
				t.Errorf("%s: %+v, put %+v, %v", name, i, put, err)
			}
		}
		file := mustOpen(t, s, "k")
		p := make([]byte, 1000)
		if _, err := file.ReadAt(p, 2<<20); err != nil || !bytes.Equal(p, want[2<<20:][:1000]) {
			t.Error(err)
		}
		mustAsk(t, f)
		if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrTooLarge) {
			t.Errorf("get: %v", err)
		}
	}
}

func TestLargeEntryIsConfirmedAfterARestart(t *testing.T) {
	f, kr, dir := newFakeS3(t), newKeyring(t), t.TempDir()
	o := largeOptions()
	o.Cache = openCache(t, dir, kr)
	s := newStore(t, f.client(), kr, o)
	putBig(t, s, huge)
	s.Close()
	o.Cache.Close()

	o.Cache = openCache(t, dir, kr)
	s = newStore(t, f.client(), kr, o)
	<-o.Cache.Loaded()
	f.requests()
	mustRead(t, s, huge)
	mustAsk(t, f, "GET k if-none-match bytes=0-131071")
	mustRead(t, s, huge)
	mustAsk(t, f)
	if st := s.Stats(); st.Confirmed != 1 || st.Hits != 1 || st.Ranges != 0 {
		t.Errorf("%+v", st)
	}
	// What was replaced while nobody looked is noticed, and read from S3.
	other := noise(5<<20 + 1)[1:]
	putBig(t, newStore(t, f.client(), kr, Options{}), other)
	s.Suspect()
	mustRead(t, s, other)
	// Without S3 it is served only where that is allowed.
	s.Suspect()
	f.before = func(w http.ResponseWriter, _ *http.Request) bool { fail(w, 503, "SlowDown"); return true }
	if _, err := s.Open(t.Context(), "k"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	s.options.StaleIfUnavailable = true
	if i := mustRead(t, s, other); !i.Stale {
		t.Errorf("%+v", i)
	}
	f.before = nil
	s.Delete(t.Context(), "k")
	if _, err := s.Open(t.Context(), "k"); !errors.Is(err, ErrNotFound) || isKept(s) {
		t.Errorf("deleted: %v", err)
	}
}

// TestObjectThatGrowsAndShrinksHasOneEntry: under either name an old one would be
// served by somebody.
func TestObjectThatGrowsAndShrinksHasOneEntry(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	a, b := p.join(t, f, kr, largeOptions()), p.join(t, f, kr, largeOptions())
	for i, data := range [][]byte{huge, little, noise(2<<20 + 9)[9:], huge[:5<<20], little} {
		writer, reader := a, b
		if i%2 == 1 {
			writer, reader = b, a
		}
		putBig(t, writer, data)
		for range 2 {
			mustRead(t, reader, data)
			mustRead(t, writer, data)
			settled(reader)
		}
		for _, s := range []*Store{a, b} {
			_, _, small := s.cached("k")
			if large := isKept(s); small == large || large != (len(data) > 1<<20) {
				t.Errorf("%d bytes: small %t, large %t", len(data), small, large)
			}
		}
	}
}

// TestLargeObjectThatIsReadToItsEndIsCached, and what is not read so is not.
func TestLargeObjectThatIsReadToItsEndIsCached(t *testing.T) {
	s, f := cachedStore(t, largeOptions())
	putBig(t, s, huge)
	for name, read := range map[string]func(*File) error{
		"a range":   func(f *File) error { _, err := f.ReadAt(make([]byte, 100), 1<<20); return err },
		"the start": func(f *File) error { _, err := io.CopyN(io.Discard, f, 3<<20); return err },
		"a gap": func(f *File) error {
			_, err := io.CopyN(io.Discard, f, 1<<20)
			f.Seek(1, io.SeekCurrent)
			_, err2 := io.Copy(io.Discard, f)
			return errors.Join(err, err2)
		},
		"a repetition": func(f *File) error {
			_, err := io.ReadFull(f, make([]byte, 2*writeChunk)) // WriteTo reads half of that at once
			f.Seek(writeChunk, io.SeekStart)
			_, err2 := io.Copy(io.Discard, f)
			return errors.Join(err, err2)
		},
		"the rest": func(f *File) error { f.Seek(1, io.SeekStart); _, err := io.Copy(io.Discard, f); return err },
	} {
		s.drop("k")
		file := mustOpen(t, s, "k")
		if err := read(file); err != nil {
			t.Fatal(err)
		}
		file.Close()
		if isKept(s) || len(s.fills.now) != 0 {
			t.Errorf("%s: it is cached", name)
		}
	}
	one, two := mustOpen(t, s, "k"), mustOpen(t, s, "k")
	io.CopyN(io.Discard, one, 100)
	if _, err := io.Copy(io.Discard, two); err != nil || isKept(s) {
		t.Errorf("filled twice at a time (%v)", err)
	}
	if _, err := io.Copy(io.Discard, one); err != nil || !isKept(s) {
		t.Errorf("not cached, %v", err)
	}
	f.requests()
	mustRead(t, s, huge)
	mustAsk(t, f)
	// One that a write overtakes is not what is to be cached.
	s.drop("k")
	file := mustOpen(t, s, "k")
	io.CopyN(io.Discard, file, 1<<20)
	s.Changing("k")
	if _, err := io.Copy(io.Discard, file); err != nil || isKept(s) {
		t.Errorf("cached in spite of a write, %v", err)
	}
}

// TestFileOpenedDuringAnOwnWriteDoesNotFill: what it reads is old when it comes to
// the end, and its fences were captured when the write had moved them already.
func TestFileOpenedDuringAnOwnWriteDoesNotFill(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	f.versioned = true
	o := largeOptions()
	o.Cache = openCache(t, t.TempDir(), kr)
	s := newStore(t, f.client(), kr, o)
	putBig(t, s, huge)
	s.drop("k")
	reached, leave := make(chan struct{}), make(chan struct{})
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			close(reached)
			<-leave
		}
		return false
	}
	other := noise(5<<20 + 3)[3:]
	done := make(chan struct{})
	go func() {
		defer close(done)
		putBig(t, s, other)
	}()
	<-reached
	file := mustOpen(t, s, "k")
	io.CopyN(io.Discard, file, 1<<20)
	close(leave)
	<-done
	if rest, err := io.ReadAll(file); err != nil || !bytes.Equal(rest, huge[1<<20:]) {
		t.Fatal("not of the version that was opened", err)
	}
	mustRead(t, s, other)
}

// TestEntryThatGoesUnderAFileIsReadFromS3 evicts it, in the way that leaves nothing.
func TestEntryThatGoesUnderAFileIsReadFromS3(t *testing.T) {
	s, f := cachedStore(t, largeOptions())
	putBig(t, s, huge)
	file := mustOpen(t, s, "k")
	if _, err := io.CopyN(io.Discard, file, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := s.cache.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.requests()
	if rest, err := io.ReadAll(file); err != nil || !bytes.Equal(rest, huge[1<<20:]) {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
	for _, line := range f.requests() {
		if !strings.Contains(line, "if-match") {
			t.Errorf("not pinned: %s", line)
		}
	}
	file.Close()
	// If that is another object by now, the File says so.
	putBig(t, s, huge)
	file = mustOpen(t, s, "k")
	if err := s.cache.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	putBig(t, s, huge[1:])
	if _, err := file.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
}

func TestLargeEntryIsShreddedWithItsKey(t *testing.T) {
	s, f := cachedStore(t, largeOptions())
	if _, err := s.keyring.(*keyring.Keyring).Rotate(t.Context(), "tenant"); err != nil {
		t.Fatal(err)
	}
	putUnder(t, s, "k", huge, "tenant")
	fromCache, fallen := mustOpen(t, s, "k"), mustOpen(t, s, "k")
	fallen.kept.reader.Close()
	fallen.kept.reader = goneReader(t, s) // as if it had been evicted
	if _, err := fallen.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	mustDestroy(t, s, "tenant")
	for _, file := range []*File{fromCache, fallen} {
		if n, err := file.ReadAt(make([]byte, 10), 3<<20); n > 0 || !errors.Is(err, envelope.ErrKeyDestroyed) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	f.requests()
	if _, err := s.Open(t.Context(), "k"); !errors.Is(err, envelope.ErrKeyDestroyed) || isKept(s) {
		t.Error(err)
	}
}

// goneReader is a Reader of an entry that does not exist any more.
func goneReader(t *testing.T, s *Store) *diskcache.Reader {
	t.Helper()
	meta := diskcache.Meta{Version: "v", Group: "gone"}
	if err := s.cache.PutFrom(t.Context(), "gone", bytes.NewReader(huge), -1, meta, s.cache.Fence("gone")); err != nil {
		t.Fatal(err)
	}
	r, err := s.cache.Open("gone")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cache.ShredGroup(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRewrapKeepsALargeEntry(t *testing.T) {
	s, f := cachedStore(t, largeOptions())
	before := putBig(t, s, huge)
	rotate(t, s)
	after, err := s.Rewrap(t.Context(), "k")
	if err != nil || after.ID != before.ID || after.Size != int64(len(huge)) {
		t.Fatalf("%+v, %v", after, err)
	}
	f.requests()
	if i := mustRead(t, s, huge); i.ETag != after.ETag || i.KeyID.Version != 2 {
		t.Errorf("%+v", i)
	}
	mustAsk(t, f)
	if d, err := s.DestroyVersion(t.Context(), before.KeyID); err != nil || d.Err() != nil || !isKept(s) {
		t.Errorf("%v, %v", d, err)
	}
}

// TestRewrapDoesNotMoveTheEntryOfAnotherObject: one that was replaced behind this
// node's back.
func TestRewrapDoesNotMoveTheEntryOfAnotherObject(t *testing.T) {
	s, f := cachedStore(t, largeOptions())
	putBig(t, s, huge)
	other := noise(5<<20 + 3)[3:]
	putBig(t, newStore(t, f.client(), s.keyring, Options{}), other)
	rotate(t, s)
	if _, err := s.Rewrap(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	mustRead(t, s, other)
}

// TestObjectThatTheCacheCannotTakeIsStoredAllTheSame, without a word in the log.
func TestObjectThatTheCacheCannotTakeIsStoredAllTheSame(t *testing.T) {
	var log bytes.Buffer
	o := largeOptions()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	cache, err := diskcache.Open(t.Context(), t.TempDir(), diskcache.Options{MaxBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	o.Cache = cache
	f, kr := newFakeS3(t), newKeyring(t)
	s := newStore(t, f.client(), kr, o)
	putBig(t, s, huge)
	mustRead(t, s, huge)
	mustRead(t, s, huge)
	if isKept(s) || log.Len() > 0 || s.Stats().CacheErrors != 0 {
		t.Errorf("%+v\n%s", s.Stats(), log.String())
	}
}
