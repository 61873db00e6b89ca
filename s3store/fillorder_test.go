package s3store

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

// TestWriteBetweenTheTwoLooksOfAFill lets a write of this node begin and end
// while a reader stands between capturing the fence and looking for writes under
// way. In the other order the reader would capture the fence that the write left
// behind, and put the old data over the new for good. The window is nanoseconds;
// the reader is stopped at the two locks around it.
func TestWriteBetweenTheTwoLooksOfAFill(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "old")
	s.drop("k")
	other := s.writes.begin("other") // so that looking for writes takes the lock

	s.mu.Lock()
	read := make(chan Object)
	go func() {
		o, _ := s.Get(t.Context(), "k")
		read <- o
	}()
	awaitBlocked("s3store.(*Store).work")
	s.writes.mu.Lock()
	s.mu.Unlock()
	awaitBlocked("s3store.(*writes).doubts")
	// A write, as far as the cache sees it: it begins here, and has ended when S3
	// answers the reader with what it had before.
	s.cache.Revoke("k")
	asked, answer := make(chan struct{}), make(chan struct{})
	f.before = func(http.ResponseWriter, *http.Request) bool {
		close(asked)
		<-answer
		return false
	}
	s.writes.mu.Unlock()
	<-asked
	info := Info{ETag: `"new"`}
	info.KeyID = envelope.KeyID{Name: envelope.DefaultKey, Version: 1}
	if err := s.cache.Put("k", diskcache.NewView([]byte("new")), info.entry(s.mark), s.cache.Fence("k")); err != nil {
		t.Fatal(err)
	}
	close(answer)
	if o := <-read; drain(o.Data.Reader()) != "old" {
		t.Fatal("the reader began before the write: old data is right for it")
	}
	s.writes.end("other", other)
	f.before = nil
	settled(s)
	f.requests()
	mustGet(t, s, "k", "new")
	mustAsk(t, f)
}

// awaitBlocked waits until a goroutine stands at a lock that this function takes.
func awaitBlocked(function string) {
	buf := make([]byte, 1<<20)
	for {
		all := string(buf[:runtime.Stack(buf, true)])
		for _, g := range strings.Split(all, "\n\n") {
			head, _, _ := strings.Cut(g, "\n")
			if strings.Contains(head, "[sync.") && strings.Contains(g, function) {
				return
			}
		}
		runtime.Gosched()
	}
}

// TestFileThatIsReadFromItsBeginningAgainIsCached, as http.ServeContent does to find
// out the type of what it serves.
func TestFileThatIsReadFromItsBeginningAgainIsCached(t *testing.T) {
	for _, typed := range []bool{true, false} {
		s, f := cachedStore(t, largeOptions())
		putBig(t, newStore(t, f.client(), s.keyring, Options{}), huge)
		file := mustOpen(t, s, "k")
		w := httptest.NewRecorder()
		if typed {
			w.Header().Set("Content-Type", "application/dicom")
		}
		http.ServeContent(w, httptest.NewRequest("GET", "/k", nil), "", time.Time{}, file)
		file.Close()
		if !bytes.Equal(w.Body.Bytes(), huge) || !isKept(s) {
			t.Errorf("type given %t: %d bytes, cached %t", typed, w.Body.Len(), isKept(s))
		}
		mustRead(t, s, huge)
	}
}
