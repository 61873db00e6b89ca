package s3store

import (
	"context"
	"errors"
	"sync"

	"github.com/hipaakit/hipaakit/envelope"
)

// rangeReader opens ranges of one object. An answer may be damaged on its way while the
// object is not, and an envelope.ReaderAt that has met damage goes on saying so: the
// envelope is then opened anew, once for each read. Damage that is met again stays.
type rangeReader struct {
	ctx   context.Context
	store *Store
	info  Info
	ahead *readAhead

	mu     sync.Mutex // never held while S3 is asked for data
	now    *envelope.ReaderAt
	damage error
}

func newRangeReader(ctx context.Context, s *Store, info Info) *rangeReader {
	return &rangeReader{ctx: ctx, store: s, info: info,
		ahead: &readAhead{ctx: ctx, size: info.SealedSize, fetch: pinned{s, info}.fetch}}
}

// open is for the first time.
func (r *rangeReader) open() (envelope.Info, error) {
	fresh, err := r.opened()
	if unverified(err) {
		fresh, err = r.anew()
	}
	if err != nil {
		return envelope.Info{}, err
	}
	r.now = fresh
	return fresh.Info(), nil
}

func (r *rangeReader) opened() (*envelope.ReaderAt, error) {
	return envelope.NewReaderAt(r.ctx, r.ahead, r.info.SealedSize, r.store.keyring, r.store.binding(r.info.Key))
}

func (r *rangeReader) anew() (*envelope.ReaderAt, error) {
	r.store.stats.retries.Add(1)
	r.ahead.reset()
	return r.opened()
}

// close waits for what is on its way; the context has ended.
func (r *rangeReader) close() { r.ahead.wait() }

// ReadAt implements io.ReaderAt.
func (r *rangeReader) ReadAt(p []byte, off int64) (int, error) {
	now, err := r.current()
	if err != nil {
		return 0, err
	}
	n, err := now.ReadAt(p, off)
	if !errors.Is(err, envelope.ErrCorrupt) {
		return n, err
	}
	fresh, err := r.anew()
	if err == nil {
		n, err = fresh.ReadAt(p, off)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.now == nil: // destroyed
	case errors.Is(err, envelope.ErrCorrupt):
		r.damage = err
	case fresh != nil:
		r.now = fresh
	}
	return n, err
}

// forget gives up the data key, and the data that were opened last.
func (r *rangeReader) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, r.damage = nil, envelope.ErrKeyDestroyed
}

func (r *rangeReader) current() (*envelope.ReaderAt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now, r.damage
}
