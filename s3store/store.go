package s3store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"unicode/utf8"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

// maxKey is S3's limit for a key, in bytes of UTF-8.
const maxKey = 1024

// Store reads and writes the objects of one bucket. Safe for concurrent use.
type Store struct {
	client  S3
	bucket  string
	id      string
	mark    []byte
	keyring envelope.Keyring
	cache   *diskcache.Cache // nil: none
	peers   Coherence
	options Options
	log     *slog.Logger

	writes  writes
	flights flights
	stats   counters

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	mu      sync.RWMutex // guards closed against workers.Add
	closed  bool
	workers sync.WaitGroup
}

// New returns a store over bucket. The id tells stores apart and is bound into
// every object: choose it once and for all, and not after the bucket, since a
// replica of the bucket elsewhere must open under the same id.
func New(client S3, bucket, id string, kr envelope.Keyring, o Options) (*Store, error) {
	switch {
	case client == nil:
		return nil, fmt.Errorf("s3store: %w: no S3 client", ErrInvalid)
	case bucket == "":
		return nil, fmt.Errorf("s3store: %w: no bucket", ErrInvalid)
	case id == "":
		return nil, fmt.Errorf("s3store: %w: no store id", ErrInvalid)
	case kr == nil:
		return nil, fmt.Errorf("s3store: %w: no keyring", ErrInvalid)
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("s3store: %w", err)
	}
	s := &Store{client: client, bucket: bucket, id: id, mark: storeMark(id), keyring: kr,
		cache: o.Cache, peers: o.Coherence, options: o, log: o.Logger}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close ends what the store still does and waits for it. Writes whose outcome is
// unknown stay announced, so that the peers go on confirming their keys. The
// cache, the keyring and the peers are not closed.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.workers.Wait()
	return nil
}

// work registers a goroutine or call that Close waits for.
func (s *Store) work() (release func(), err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.workers.Add(1)
	return s.workers.Done, nil
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) {
		return fmt.Errorf("%w: a key is 1 to %d bytes of UTF-8", ErrInvalid, maxKey)
	}
	return nil
}

func (s *Store) binding(key string) envelope.Binding {
	return envelope.Binding{Store: s.id, Key: key}
}
