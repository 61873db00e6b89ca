package s3store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPeersAreToldBeforeAndAfterTheWrite(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	a, b := p.join(t, f, kr, Options{}), p.join(t, f, kr, Options{})
	put(t, a, "k", "one")
	mustGet(t, b, "k", "one")
	p.mu.Lock()
	p.events = nil
	p.mu.Unlock()
	f.before = func(http.ResponseWriter, *http.Request) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = append(p.events, "request")
		return false
	}
	put(t, b, "k", "two")
	if got := strings.Join(p.events, " "); got != "changing request request changed" { // PUT, and HEAD before the insert
		t.Fatal(got)
	}
	f.before = nil
	mustGet(t, a, "k", "two")
}

func TestWithoutLeaseHitsAreConfirmed(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	a := p.join(t, f, kr, Options{})
	put(t, a, "k", "data")
	p.fresh.Store(false)
	f.requests()
	mustGet(t, a, "k", "data")
	mustGet(t, a, "k", "data")
	mustAsk(t, f, "GET k if-none-match", "GET k if-none-match")
	p.fresh.Store(true)
	mustGet(t, a, "k", "data")
	mustAsk(t, f)
}

// TestSlowFillDoesNotBringBackTheOld holds a fetch in mid-answer while a peer
// writes and says so.
func TestSlowFillDoesNotBringBackTheOld(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	a, b := p.join(t, f, kr, Options{}), p.join(t, f, kr, Options{})
	put(t, a, "k", "old")
	b.drop("k")
	reached, release := make(chan struct{}), make(chan struct{})
	old := f.body("k")
	var once sync.Once
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		held := false
		if r.Method == http.MethodGet {
			once.Do(func() { held = true })
		}
		if held { // S3 answers with what it had, late
			close(reached)
			<-release
			w.Header().Set("ETag", `"old"`)
			w.Write(old)
		}
		return held
	}
	slow := make(chan Object)
	go func() {
		o, _ := b.Get(t.Context(), "k")
		slow <- o
	}()
	<-reached
	put(t, a, "k", "new")
	mustGet(t, b, "k", "new") // must not join the slow one
	close(release)
	if o := <-slow; drain(o.Data.Reader()) != "old" {
		t.Fatal("the slow reader began before the write: old data is right for it")
	}
	mustGet(t, b, "k", "new")
}

// TestFillDuringOwnWriteIsNotInserted is the same race on one node.
func TestFillDuringOwnWriteIsNotInserted(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "old")
	s.drop("k")
	gate, reached := make(chan struct{}), make(chan struct{})
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			close(reached)
			<-gate
		}
		return false
	}
	done := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), "k", strings.NewReader("new"), PutOptions{})
		done <- err
	}()
	<-reached
	mustGet(t, s, "k", "old") // before the commit
	close(gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mustGet(t, s, "k", "new")
}

func TestOneFetchForManyCallers(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "data")
	s.drop("k")
	f.requests()
	const callers = 100
	name := flightName{"k", s.cache.Fence("k")}
	f.before = func(http.ResponseWriter, *http.Request) bool {
		for waitingFor(s, name) < callers {
			runtime.Gosched()
		}
		return false
	}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() { mustGet(t, s, "k", "data") })
	}
	wg.Wait()
	mustAsk(t, f, "GET k")
}

// TestCallerBetweenMissAndFetchFindsWhatCameMeanwhile holds a caller where he has
// missed but has not asked yet, while another's fetch begins and ends.
func TestCallerBetweenMissAndFetchFindsWhatCameMeanwhile(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "data")
	s.drop("k")
	f.requests()
	s.mu.Lock() // which work takes for reading, behind the look into the cache
	late := make(chan error)
	go func() {
		o, err := s.Get(t.Context(), "k")
		if err == nil && drain(o.Data.Reader()) != "data" {
			err = errors.New("other data")
		}
		late <- err
	}()
	awaitBlocked("s3store.(*Store).work")
	o := filling{store: s, key: "k", fence: s.cache.Fence("k"), may: true}
	_, insert, err := o.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	insert()
	s.mu.Unlock()
	if err := <-late; err != nil {
		t.Error(err)
	}
	mustAsk(t, f, "GET k")
}

// TestCallersOfOneFetchShareNothingTheyCanChange lets callers of one fetch write
// into what they got.
func TestCallersOfOneFetchShareNothingTheyCanChange(t *testing.T) {
	s, f := cachedStore(t, Options{})
	if _, err := s.Put(t.Context(), "k", strings.NewReader("x"), PutOptions{Metadata: map[string]string{"viewer": "nobody"}}); err != nil {
		t.Fatal(err)
	}
	s.drop("k")
	const callers = 20
	name := flightName{"k", s.cache.Fence("k")}
	f.before = func(http.ResponseWriter, *http.Request) bool {
		for waitingFor(s, name) < callers {
			runtime.Gosched()
		}
		return false
	}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			o, err := s.Get(t.Context(), "k")
			if err != nil || o.Metadata["viewer"] != "nobody" {
				t.Errorf("%v, %v", o.Metadata, err)
				return
			}
			o.Metadata["viewer"] = fmt.Sprint(i)
		})
	}
	wg.Wait()
}

func waitingFor(s *Store, name flightName) int {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	if call := s.flights.now[name]; call != nil {
		return call.waiting
	}
	return 0
}

func TestCallerWhoLeavesDisturbsNobody(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "data")
	s.drop("k")
	name := flightName{"k", s.cache.Fence("k")}
	gate := make(chan struct{})
	f.before = func(http.ResponseWriter, *http.Request) bool { <-gate; return false }
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := s.Get(ctx, "k")
		first <- err
	}()
	for waitingFor(s, name) < 1 {
		runtime.Gosched()
	}
	second := make(chan error)
	go func() {
		_, err := s.Get(t.Context(), "k")
		second <- err
	}()
	for waitingFor(s, name) < 2 {
		runtime.Gosched()
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(gate)
	if err := <-second; err != nil {
		t.Fatal(err)
	}
}

func TestFetchThatPanicsStrandsNobody(t *testing.T) {
	// The panic itself ends the process, as it should; Goexit takes the same way
	// out of a goroutine and can be survived here.
	s, _ := cachedStore(t, Options{})
	fl := &s.flights
	_, err := fl.do(t.Context(), s, flightName{key: "k"}, func(context.Context) (Object, func(), error) {
		runtime.Goexit()
		return Object{}, nil, nil
	})
	if !errors.Is(err, ErrUnavailable) || len(fl.now) != 0 {
		t.Fatal(err)
	}
}

func TestLastCallerWhoLeavesEndsTheFetch(t *testing.T) {
	s, _ := cachedStore(t, Options{})
	fl := &s.flights
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	_, err := fl.do(ctx, s, flightName{key: "k"}, func(run context.Context) (Object, func(), error) {
		cancel()
		<-run.Done()
		close(ended)
		return Object{}, nil, run.Err()
	})
	<-ended
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestNoReaderGoesBack runs writers and readers on three nodes and holds every
// read against what was certainly written before it began, and against what
// any earlier read has seen.
func TestNoReaderGoesBack(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	var nodes []*Store
	for range 3 {
		nodes = append(nodes, p.join(t, f, kr, Options{}))
	}
	const keys, rounds = 4, 150
	var floor [keys]atomic.Int64 // the newest version anybody is sure of
	var writing [keys]sync.Mutex
	for k := range keys {
		put(t, nodes[0], fmt.Sprint(k), numbered(0))
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range rounds {
				k, node := r.IntN(keys), nodes[r.IntN(len(nodes))]
				if r.IntN(4) == 0 {
					writing[k].Lock() // one writer a key, so that versions have an order
					v := floor[k].Load() + 1
					put(t, node, fmt.Sprint(k), numbered(int(v)))
					raise(&floor[k], v)
					writing[k].Unlock()
					continue
				}
				if r.IntN(20) == 0 {
					node.Suspect()
				}
				sure := floor[k].Load()
				o, err := node.Get(t.Context(), fmt.Sprint(k))
				if err != nil {
					t.Error(err)
					return
				}
				var v int64
				fmt.Sscanf(drain(o.Data.Reader()), "version %d", &v)
				if v < sure {
					t.Errorf("read version %d when %d was sure", v, sure)
				}
				raise(&floor[k], v)
			}
		})
	}
	wg.Wait()
	for i, n := range nodes {
		if n.Stats().Hits == 0 {
			t.Errorf("node %d never hit: nothing was tested", i)
		}
	}
}

func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

// TestPeersDoubtAKeyOnlyWhileItCanChange: the parts of an upload may take an hour, in
// which the peers go on serving what they have.
func TestPeersDoubtAKeyOnlyWhileItCanChange(t *testing.T) {
	p, f, kr := newPair(), newFakeS3(t), newKeyring(t)
	a, b := p.join(t, f, kr, Options{plan: small}), p.join(t, f, kr, Options{})
	put(t, a, "k", "old")
	mustGet(t, b, "k", "old")
	var parts, completions atomic.Int64
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		switch q := r.URL.Query(); {
		case q.Has("partNumber"):
			parts.Add(1)
			if !b.fresh("k") {
				t.Error("in doubt while a part is uploaded")
			}
		case q.Has("uploadId") && r.Method == http.MethodPost:
			completions.Add(1)
			if b.fresh("k") {
				t.Error("not in doubt when the object can change")
			}
		}
		return false
	}
	if _, err := a.Put(t.Context(), "k", strings.NewReader(strings.Repeat("x", 10)+string(noise(5000))), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if parts.Load() < 2 || completions.Load() != 1 {
		t.Errorf("%d parts, %d completions: nothing was tested", parts.Load(), completions.Load())
	}
	mustGet(t, b, "k", strings.Repeat("x", 10)+string(noise(5000)))
}

// TestFillFromBeforeAnOwnWriteIsNotInserted holds a fetch in mid-answer while this
// node writes.
func TestFillFromBeforeAnOwnWriteIsNotInserted(t *testing.T) {
	s, f := cachedStore(t, Options{})
	put(t, s, "k", "old")
	s.drop("k")
	old := f.body("k")
	reached, release := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || held.Swap(true) {
			return false
		}
		close(reached)
		<-release
		w.Header().Set("ETag", `"old"`)
		w.Write(old)
		return true
	}
	slow := make(chan Object)
	go func() {
		o, _ := s.Get(t.Context(), "k")
		slow <- o
	}()
	<-reached
	put(t, s, "k", "new")
	close(release)
	if o := <-slow; drain(o.Data.Reader()) != "old" {
		t.Fatal("the slow reader began before the write: old data is right for it")
	}
	mustGet(t, s, "k", "new")
}
