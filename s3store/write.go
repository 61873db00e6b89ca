package s3store

import (
	"context"
	"errors"
	"fmt"

	"github.com/hipaakit/hipaakit/diskcache"
)

// change is one write under way.
type change struct {
	store    *Store
	key      string
	doubt    *doubt
	fence    diskcache.Fence
	done     func() // tells the peers
	inserted bool
}

// write does what every write must, around commit, the one request that changes
// S3:
//
//	put the key in doubt here, capture the fence   (before the request: a peer's
//	announce it, until no node serves it unconfirmed  write that races moves it)
//	commit
//	insert the new entry, or drop the old one
//	end the doubt here, then at the peers
func (s *Store) write(ctx context.Context, key string, commit func(context.Context, *change) error) error {
	ctx, release, err := s.work(ctx)
	if err != nil {
		return err
	}
	defer release()
	c := s.begin(key)
	if c.done, err = s.peers.Announce(ctx, key); err != nil {
		s.writes.end(key, c.doubt)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("announcing: %w", err)
	}
	if ctx.Err() != nil { // nothing is sent, so nothing is unknown
		c.finish()
		return context.Cause(ctx)
	}
	err = writeError(ctx, commit(ctx, c))
	if errors.Is(err, ErrOutcomeUnknown) {
		s.settle(c)
	} else {
		c.finish()
	}
	return err
}

func (s *Store) begin(key string) *change {
	c := &change{store: s, key: key, doubt: s.writes.begin(key)}
	if s.cache != nil {
		s.cache.Revoke(key)
		c.fence = s.cache.Fence(key)
	}
	return c
}

// insert puts what was written into the cache, unless another write of the key,
// here or at a peer, came near it.
func (c *change) insert(info Info, data diskcache.View) {
	s := c.store
	if s.cache == nil || !s.writes.alone(c.doubt) {
		return
	}
	meta := diskcache.Meta{Version: info.ETag, Blob: info.blob(s.mark)}
	err := s.cache.Put(c.key, data, meta, c.fence)
	s.reportCache("insert", err)
	c.inserted = err == nil
}

// finish ends the doubt. What was not replaced is dropped: it may be old.
func (c *change) finish() {
	if !c.inserted {
		c.store.drop(c.key)
	}
	c.store.writes.end(c.key, c.doubt)
	c.done()
}

// settle keeps the key in doubt for as long as the request can still land: a
// write that S3 finished late must not be hidden by an entry confirmed early.
func (s *Store) settle(c *change) {
	s.drop(c.key)
	ctx, release, err := s.work(context.Background())
	if err != nil { // closing: peers keep the announcement, this node ends
		return
	}
	go func() {
		defer release()
		if sleep(ctx, s.options.LandingTime) {
			c.finish()
		}
	}()
}
