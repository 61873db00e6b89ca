package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// operation is one call of the store, with what was there before it, and what is
// there if it took place. nil is no object.
type operation struct {
	name   string
	before map[string][]byte
	after  map[string][]byte
	reads  bool // changes nothing, and so must get over every fault
	bare   bool // without a cache
	run    func(context.Context, *Store, *world) error
}

// world is what an operation finds.
type world struct {
	fake    *fakeS3
	keys    *keyring.Keyring
	first   string // ETag of k
	oldest  string // a version of k that was replaced
	network *faulty
}

var (
	little = []byte("a little data")
	much   = noise(4_500)
	other  = noise(6_000)[500:]
	ranges = noise(200_000)
)

func operations() []operation {
	putting := func(data []byte, o PutOptions) func(context.Context, *Store, *world) error {
		return func(ctx context.Context, s *Store, w *world) error {
			if o.IfMatch != "" {
				o.IfMatch = w.first
			}
			_, err := s.Put(ctx, "k", onlyReader{bytes.NewReader(data)}, o)
			return err
		}
	}
	k := func(data []byte) map[string][]byte { return map[string][]byte{"k": data} }
	return []operation{
		{name: "put", before: k(much), after: k(little), run: putting(little, PutOptions{})},
		{name: "put in parts", before: k(little), after: k(much), run: putting(much, PutOptions{})},
		{name: "create", before: k(nil), after: k(little), run: putting(little, PutOptions{IfAbsent: true})},
		{name: "create in parts", before: k(nil), after: k(much), run: putting(much, PutOptions{IfAbsent: true})},
		{name: "replace", before: k(little), after: k(much[:500]), run: putting(much[:500], PutOptions{IfMatch: "x"})},
		{name: "replace in parts", before: k(little), after: k(much), run: putting(much, PutOptions{IfMatch: "x"})},
		{name: "delete", before: k(much), after: k(nil), run: func(ctx context.Context, s *Store, _ *world) error { return s.Delete(ctx, "k") }},
		{name: "delete all", before: k(much), after: k(nil), run: func(ctx context.Context, s *Store, _ *world) error {
			_, err := s.DeleteAll(ctx, "k")
			return err
		}},
		{name: "copy", before: map[string][]byte{"k": much, "to": nil}, after: map[string][]byte{"k": much, "to": much}, run: func(ctx context.Context, s *Store, _ *world) error {
			_, err := s.Copy(ctx, "k", "to", PutOptions{})
			return err
		}},
		{name: "re-wrap", before: k(little), after: k(little), run: rewrapping},
		{name: "re-wrap in parts", before: k(much), after: k(much), run: rewrapping},
		{name: "restore", before: k(nil), after: k(other), run: func(ctx context.Context, s *Store, w *world) error {
			_, err := s.Restore(ctx, "k", w.oldest)
			return err
		}},
		reading("get", func(ctx context.Context, s *Store) ([]byte, error) {
			o, err := s.Get(ctx, "k")
			return o.Data.Bytes(), err
		}),
		reading("open", func(ctx context.Context, s *Store) ([]byte, error) {
			f, err := s.Open(ctx, "k")
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return io.ReadAll(f)
		}),
		{name: "open ranges", before: k(ranges), after: k(ranges), reads: true, bare: true, run: func(ctx context.Context, s *Store, _ *world) error {
			f, err := s.Open(ctx, "k")
			if err != nil {
				return err
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if err == nil && !bytes.Equal(got, ranges) {
				err = errors.New("read wrong bytes")
			}
			return err
		}},
		reading("stat", func(ctx context.Context, s *Store) ([]byte, error) {
			i, err := s.Stat(ctx, "k")
			return other[:max(0, i.Size)], err
		}),
		reading("list", func(ctx context.Context, s *Store) (b []byte, err error) {
			for l, err := range s.List(ctx, "") {
				if err != nil || l.Key != "k" {
					return nil, errors.Join(err, fmt.Errorf("listed %q", l.Key))
				}
				b = other
			}
			return b, nil
		}),
		reading("versions", func(ctx context.Context, s *Store) (b []byte, err error) {
			for v, err := range s.Versions(ctx, "k") {
				if err != nil || !v.Latest {
					return b, err
				}
				b = other
			}
			return b, nil
		}),
	}
}

func rewrapping(ctx context.Context, s *Store, w *world) error {
	_, err := s.Rewrap(ctx, "k", "other")
	return err
}

func reading(name string, read func(context.Context, *Store) ([]byte, error)) operation {
	old := map[string][]byte{"k": other}
	return operation{name: name, before: old, after: old, reads: true, run: func(ctx context.Context, s *Store, _ *world) error {
		got, err := read(ctx, s)
		if err == nil && !bytes.Equal(got, other) {
			return fmt.Errorf("read %d wrong bytes", len(got))
		}
		return err
	}}
}

// TestEveryFaultAtEveryRequest lets each fault happen to each request of each
// operation in turn, once, and as the beginning of an outage. Whatever happens, S3
// holds the old objects or the new ones, the answer says truly which, or that nobody
// knows, this node serves what S3 has, and nothing is left.
func TestEveryFaultAtEveryRequest(t *testing.T) {
	kr := newKeyring(t)
	if _, err := kr.Rotate(t.Context(), "other"); err != nil { // what is re-wrapped is so for this key
		t.Fatal(err)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Run("operations", func(t *testing.T) {
		for _, op := range operations() {
			t.Run(op.name, func(t *testing.T) {
				t.Parallel() // most of them wait for what is stalled
				op.everyFault(t, kr)
			})
		}
	})
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("goroutines are left:\n%s", buf[:runtime.Stack(buf, true)])
		}
	}
	if n := descriptors(); n > files {
		t.Errorf("%d files are open, %d were", n, files)
	}
}

// descriptors is how many files the process has open, where that can be asked.
func descriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

func (op operation) everyFault(t *testing.T, kr *keyring.Keyring) {
	if err := op.attempt(t, kr, fault(0), -1, false); err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	tried := 0
	for kind := range numberOfFaults {
		for at := 0; ; at++ {
			once := op.attempt(t, kr, kind, at, false)
			if errors.Is(once, errNotHit) {
				break
			}
			if op.reads && once != nil {
				t.Errorf("%v, request %d: %v", kind, at, once)
			}
			if kind <= slowDown {
				op.attempt(t, kr, kind, at, true)
			}
			tried++
		}
	}
	if tried < int(numberOfFaults) {
		t.Errorf("only %d faults were tried", tried)
	}
}

var errNotHit = errors.New("there is no such request")

// attempt runs the operation with one fault and judges what comes of it.
func (op operation) attempt(t *testing.T, kr *keyring.Keyring, kind fault, at int, onwards bool) error {
	t.Helper()
	f := &fakeS3{objects: map[string][]stored{}, uploads: map[string]*fakeUpload{}, versioned: true}
	w := op.prepare(t, f, kr)
	w.network = &faulty{handler: f, kind: kind, at: at, onwards: onwards}
	o := Options{plan: small, LandingTime: time.Hour, pause: time.Microsecond, Logger: slog.New(slog.DiscardHandler)}
	if kind == stalled || kind == stalledInBody {
		o.CallTimeout = patient
	}
	if !op.bare {
		o.Cache = openCache(t, t.TempDir(), kr)
		defer o.Cache.Close()
	}
	s := newStore(t, newClient("http://s3.test", w.network, "AKIDTEST", "0123456789012345678901234567890123456789"), kr, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := op.run(ctx, s, w)
	if at >= 0 && !w.network.hit {
		err = errNotHit
	}
	w.network.mu.Lock()
	w.network.at = -1 // the network is well again
	w.network.mu.Unlock()
	name := fmt.Sprintf("%v, request %d, onwards %t", kind, at, onwards)
	op.judge(t, name, s, w, err)
	if left := op.left(f); left > 0 && !onwards {
		t.Errorf("%s: %d parts are left (%v)", name, left, err)
	}
	s.Close()
	if n := w.network.open.Load(); n != 0 {
		t.Errorf("%s: %d bodies were not closed", name, n)
	}
	return err
}

// prepare stores what is there before, by a client without faults.
func (op operation) prepare(t *testing.T, f *fakeS3, kr *keyring.Keyring) *world {
	t.Helper()
	w := &world{fake: f, keys: kr}
	clean := op.clean(t, w)
	ctx := t.Context()
	if op.name == "restore" {
		i, err := clean.Put(ctx, "k", bytes.NewReader(other), PutOptions{})
		if err = errors.Join(err, clean.Delete(ctx, "k")); err != nil {
			t.Fatal(err)
		}
		w.oldest = i.Version
	}
	for key, data := range op.before {
		if data != nil {
			i, err := clean.Put(ctx, key, bytes.NewReader(data), PutOptions{})
			if err != nil {
				t.Fatal(err)
			}
			w.first = i.ETag
		}
	}
	return w
}

func (op operation) clean(t *testing.T, w *world) *Store {
	o := Options{plan: small}
	if op.bare {
		o.plan = s3Plan
	}
	return newStore(t, newClient("http://s3.test", &faulty{handler: w.fake, at: -1}, "AKIDTEST", "0123456789012345678901234567890123456789"), w.keys, o)
}

func (op operation) judge(t *testing.T, name string, s *Store, w *world, err error) {
	t.Helper()
	clean := op.clean(t, w)
	for key := range op.before {
		truth, trueErr := clean.Get(t.Context(), key)
		is := func(want []byte) bool {
			return want == nil && errors.Is(trueErr, ErrNotFound) || want != nil && trueErr == nil && bytes.Equal(truth.Data.Bytes(), want)
		}
		done, undone := is(op.after[key]), is(op.before[key])
		unknown := errors.Is(err, ErrOutcomeUnknown)
		switch {
		case !done && !undone:
			t.Errorf("%s: neither old nor new: %v (%v)", name, trueErr, err)
		case err == nil && !done:
			t.Errorf("%s: said to be done, but is not", name)
		case err != nil && !unknown && !errors.Is(err, errNotHit) && !undone:
			t.Errorf("%s: said to be undone, but is not: %v", name, err)
		case unknown && key == lastKey(op) && !s.writes.doubts(key):
			t.Errorf("%s: unknown, but not in doubt", name)
		}
		for range 2 {
			got, gotErr := s.Get(t.Context(), key)
			if errors.Is(gotErr, ErrNotFound) != errors.Is(trueErr, ErrNotFound) || !bytes.Equal(got.Data.Bytes(), truth.Data.Bytes()) {
				t.Errorf("%s: this node serves something else than S3 has: %v, %v", name, gotErr, trueErr)
			}
		}
	}
}

// lastKey is the one that is written.
func lastKey(op operation) string {
	if _, ok := op.after["to"]; ok {
		return "to"
	}
	return "k"
}

// left counts parts. An upload without any may be left: the answer that named it was
// lost, and nobody has to pay for it.
func (op operation) left(f *fakeS3) (parts int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.uploads {
		parts += len(u.parts)
	}
	return parts
}
