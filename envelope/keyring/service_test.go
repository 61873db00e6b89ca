package keyring

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

var errOutage = errors.New("the service cannot be reached")

// service is a key management service: what it wraps is under a raw key.
type service struct {
	inner           Protector
	lifetime, grace time.Duration

	mu      sync.Mutex
	unwraps map[envelope.KeyID]int // questions
	wraps   int
	made    int
	asking  map[envelope.KeyID]int
	crowded bool // two asked for one key at a time
	ended   int  // questions whose context ended
	asked   []time.Time
	given   [][]byte // the keys in good answers

	delay  time.Duration
	deaf   bool // does not hear contexts
	err    error
	first  error                  // of the next call alone
	answer func() ([]byte, error) // in the place of a good one
}

func newService(t testing.TB, lifetime, grace time.Duration) *service {
	return &service{
		inner: testProtector(t, 1), lifetime: lifetime, grace: grace,
		unwraps: map[envelope.KeyID]int{}, asking: map[envelope.KeyID]int{},
	}
}

func (s *service) Lifetime() time.Duration { return s.lifetime }
func (s *service) Grace() time.Duration    { return s.grace }

func (s *service) Wrap(ctx context.Context, id envelope.KeyID, key []byte) ([]byte, error) {
	s.mu.Lock()
	s.wraps++
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.inner.Wrap(ctx, id, key)
}

func (s *service) Generate(ctx context.Context, id envelope.KeyID) (key, wrapped []byte, err error) {
	s.mu.Lock()
	s.made++
	key, err = bytes.Repeat([]byte{byte(40 + s.made)}, KeySize), s.err
	s.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	wrapped, err = s.inner.Wrap(ctx, id, key)
	return key, wrapped, err
}

func (s *service) Unwrap(ctx context.Context, id envelope.KeyID, wrapped []byte) ([]byte, error) {
	first := s.begin(id)
	if err := s.sleep(ctx); err != nil {
		return nil, s.end(id, err)
	}
	if first != nil {
		return nil, s.end(id, first)
	}
	s.mu.Lock()
	err, answer := s.err, s.answer
	s.mu.Unlock()
	if err != nil {
		return nil, s.end(id, err)
	}
	defer s.end(id, nil)
	if answer != nil {
		return answer()
	}
	key, err := s.inner.Unwrap(ctx, id, wrapped)
	if err == nil {
		s.mu.Lock()
		s.given = append(s.given, key)
		s.mu.Unlock()
	}
	return key, err
}

func (s *service) begin(id envelope.KeyID) (first error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwraps[id]++
	s.asked = append(s.asked, time.Now())
	s.asking[id]++
	s.crowded = s.crowded || s.asking[id] > 1
	first, s.first = s.first, nil
	return first
}

func (s *service) sleep(ctx context.Context) error {
	s.mu.Lock()
	d, deaf := s.delay, s.deaf
	s.mu.Unlock()
	if deaf {
		time.Sleep(d)
		return nil
	}
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		s.ended++
		s.mu.Unlock()
		return ctx.Err()
	}
}

func (s *service) end(id envelope.KeyID, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking[id]--
	return err
}

// with changes what s does.
func (s *service) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// questions is how often keys were asked for since it was last asked itself.
func (s *service) questions() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, asked := range s.unwraps {
		n += asked
	}
	clear(s.unwraps)
	s.asked = nil
	return n
}

func (s *service) calls() (wraps, made int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wraps, made = s.wraps, s.made
	s.wraps, s.made = 0, 0
	return wraps, made
}

const (
	testLifetime = time.Hour
	testGrace    = 10 * time.Minute
)

// remoteKeyring returns a keyring made with s and opened anew: nothing but the key
// that seals is in memory, and the counters are at zero.
func remoteKeyring(t testing.TB, s *service, names ...string) (*Keyring, *memory) {
	t.Helper()
	m := &memory{}
	made, err := Create(t.Context(), m, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := made.Rotate(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	made.Close()
	k := openTest(t, m, s)
	s.questions()
	s.calls()
	m.readSince()
	return k, m
}

func openTest(t testing.TB, m Storage, p Protector) *Keyring {
	t.Helper()
	k, err := Open(t.Context(), m, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func keyID(name string, version uint32) envelope.KeyID {
	return envelope.KeyID{Name: name, Version: version}
}
