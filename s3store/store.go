package s3store

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
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
	mark    string
	keyring envelope.Keyring
	cache   *diskcache.Cache // nil: none
	peers   Coherence
	options Options
	log     *slog.Logger

	writes   writes
	flights  flights
	retries  retries
	files    openFiles
	fills    fills
	follower *follower // of the keyring; nil: that cannot destroy
	buffers  sync.Pool // of *[]byte, for parts of the usual size
	stats    counters

	ctx     context.Context // ends with Close, because of ErrClosed
	cancel  context.CancelCauseFunc
	mu      sync.RWMutex // guards workers.Add against Close
	closed  atomic.Bool
	workers sync.WaitGroup
}

// New returns a store over bucket. The id tells stores apart and is bound into
// every object: choose it once and for all, and not after the bucket, since a
// replica of the bucket elsewhere must open under the same id.
//
// With a *keyring.Keyring the store follows it: what the cache has of objects under a
// key that is or was destroyed is shredded, before New returns and whenever the keyring
// is read.
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
	s.retries.first = o.pause
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if k, ok := kr.(mortal); ok {
		s.follow(k)
	}
	if o.alone && o.Cache != nil {
		s.outwaitOrphans()
	}
	return s, nil
}

// outwaitOrphans suspects everything once more when no request of a process
// before this one can land any more. Until then what was confirmed may be
// overtaken by a write whose sender died; a Coherence takes care of that itself.
func (s *Store) outwaitOrphans() {
	s.workers.Go(func() {
		if sleep(s.ctx, s.options.LandingTime) {
			s.Suspect()
		}
	})
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close ends what the store still does and waits for it: reads answer
// [ErrClosed], writes that were sent [ErrOutcomeUnknown]. Those stay announced, so
// that the peers go on confirming their keys. The cache, the keyring and the peers
// are not closed; close them afterwards, in this order: peers, cache, keyring.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed.Store(true)
	s.mu.Unlock()
	s.cancel(ErrClosed)
	s.workers.Wait()
	if s.follower != nil {
		s.follower.store.Store(nil)
	}
	return nil
}

// work registers a call or goroutine that Close waits for, and joins its context
// with the store's.
func (s *Store) work(ctx context.Context) (_ context.Context, release func(), err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return nil, nil, ErrClosed
	}
	s.workers.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		s.workers.Done()
	}, nil
}

func checkKey(key string) error {
	// XML has no way to say a control character: one such key, and S3's listing of
	// its whole prefix cannot be parsed any more.
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, notInXML) {
		return fmt.Errorf("%w: a key is 1 to %d bytes of UTF-8 without control characters", ErrInvalid, maxKey)
	}
	return nil
}

func notInXML(r rune) bool { return unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF }

func (s *Store) binding(key string) envelope.Binding {
	return envelope.Binding{Store: s.id, Key: key}
}
