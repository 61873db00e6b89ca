package s3store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

// TestFileOfADestroyedKeyHoldsNothing that it has not handed out: neither data that were
// opened ahead, nor what opens more of them.
func TestFileOfADestroyedKeyHoldsNothing(t *testing.T) {
	for _, cached := range []bool{false, true} {
		f, kr := newFakeS3(t), newKeyring(t)
		o := largeOptions()
		if cached {
			o.Cache = openCache(t, t.TempDir(), kr)
		}
		s := newStore(t, f.client(), kr, o)
		if _, err := kr.Rotate(t.Context(), "mortal"); err != nil {
			t.Fatal(err)
		}
		putUnder(t, s, "k", huge, "mortal")
		file := mustOpen(t, s, "k")
		for range 2 { // the second is read ahead
			if _, err := io.ReadFull(file, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		held := file.ahead.data
		if cached != (file.kept != nil) || cached == (len(held) > 0) {
			t.Fatalf("cached %t, %d bytes ahead: this test proves nothing", file.kept != nil, len(held))
		}
		if d := mustDestroy(t, s, "mortal"); d.Err() != nil {
			t.Fatal(d.Err())
		}
		if file.ahead.data != nil || !bytes.Equal(held, make([]byte, len(held))) {
			t.Errorf("%d bytes of plaintext are held", len(held))
		}
		if file.ranges != nil && file.ranges.now != nil {
			t.Error("the data key is held")
		}
		if cached {
			if _, err := file.kept.reader.ReadAt(make([]byte, 1), 100); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("the cache's reader keeps what it has read: %v", err)
			}
		}
		if _, err := file.Read(make([]byte, 1)); !errors.Is(err, envelope.ErrKeyDestroyed) {
			t.Errorf("read: %v", err)
		}
		if _, err := file.ReadAt(make([]byte, 1), 5<<20); !errors.Is(err, envelope.ErrKeyDestroyed) {
			t.Errorf("read at: %v", err)
		}
	}
}

// TestDataOpenedAheadDuringADestructionAreWiped: they were being read, outside the lock.
func TestDataOpenedAheadDuringADestructionAreWiped(t *testing.T) {
	var o openAhead
	b := o.take(100)
	copy(b, little)
	o.wipe()
	o.put(b, 0)
	if n := o.copy(make([]byte, 10), 0); n != 0 || o.data != nil || !bytes.Equal(b, make([]byte, 100)) {
		t.Errorf("%d bytes are handed out, %q is held", n, b)
	}
}

// TestFileIsNotOpenedUnderAKeyThatIsBeingDestroyed: the header has been opened, and the
// store is told of the destruction before it knows of the File.
func TestFileIsNotOpenedUnderAKeyThatIsBeingDestroyed(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	if _, err := kr.Rotate(t.Context(), "mortal"); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, f.client(), kr, Options{})
	putUnder(t, s, "k", noise(1<<20), "mortal")
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("If-Match") != "" { // the end, by who holds the data key
			f.before = nil
			mustDestroy(t, s, "mortal")
		}
		return false
	}
	if file, err := s.Open(t.Context(), "k"); !errors.Is(err, envelope.ErrKeyDestroyed) {
		t.Errorf("%v, %v", file, err)
	}
}

// TestReadAgainDuringADestructionHoldsNoKey: an answer was damaged on its way, the
// envelope was opened anew, and its key is destroyed before the read has come back.
func TestReadAgainDuringADestructionHoldsNoKey(t *testing.T) {
	f, kr := newFakeS3(t), newKeyring(t)
	if _, err := kr.Rotate(t.Context(), "mortal"); err != nil {
		t.Fatal(err)
	}
	var s *Store
	asked, watched := map[string]int{}, false
	s = newStore(t, newClient("http://s3.test", doer(func(r *http.Request) (*http.Response, error) {
		one := &faulty{handler: f, at: -1}
		if watched {
			asked[r.Header.Get("Range")]++
			switch {
			case len(asked) == 1:
				one.at, one.kind = 0, corrupted
			case asked[r.Header.Get("Range")] == 2:
				watched = false
				mustDestroy(t, s, "mortal")
			}
		}
		return one.Do(r)
	}), "AKIDTEST", strings.Repeat("s", 40)), kr, Options{})
	putUnder(t, s, "k", huge, "mortal")
	file := mustOpen(t, s, "k")
	watched = true
	file.ReadAt(make([]byte, 100), 3<<20)
	if watched || file.ranges.now != nil {
		t.Errorf("not destroyed: %t; or the data key is held", watched)
	}
	if _, err := file.ReadAt(make([]byte, 100), 3<<20); !errors.Is(err, envelope.ErrKeyDestroyed) {
		t.Error(err)
	}
}

// TestFileThatHasEndedHandsOutNothing that was opened ahead.
func TestFileThatHasEndedHandsOutNothing(t *testing.T) {
	s := newStore(t, newFakeS3(t).client(), newKeyring(t), Options{})
	putBig(t, s, huge)
	ctx, cancel := context.WithCancel(t.Context())
	file, err := s.Open(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for range 2 {
		if _, err := io.ReadFull(file, make([]byte, 100)); err != nil || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	if len(file.ahead.data) == 0 {
		t.Fatal("nothing is ahead: this test proves nothing")
	}
	cancel()
	if n, err := file.Read(make([]byte, 1)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
