package s3store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/diskcache"
)

// change is one write under way.
type change struct {
	store     *Store
	key       string
	doubt     *doubt // nil: not begun
	fence     fences
	done      func() // tells the peers; nil: not announced
	sent      bool   // S3 may have changed
	unsettled bool   // and may still change
	inserted  bool
}

// write does what every write must, around f, which sends the requests:
//
//	begin      put the key in doubt here, capture the fence. Before the first
//	           request: of two uploads a versioned bucket makes the one current that
//	           was *started* last, and a peer's write that races moves the fence.
//	           And before the keyring is asked: a key that is destroyed afterwards
//	           moves it too, and one that was destroyed before seals nothing.
//	announce   to the peers, until no node serves the key unconfirmed. Right before
//	           the request that changes something: an upload may take an hour.
//	commit
//	insert     the new entry, or else the old one is dropped
//
// and then ends the doubt, here and at the peers; or, if a request may still land,
// when it no longer can.
func (s *Store) write(ctx context.Context, key string, f func(context.Context, *change) error) (err error) {
	ctx, release, err := s.work(ctx)
	if err != nil {
		return err
	}
	defer release()
	c := &change{store: s, key: key, unsettled: true} // should f panic
	defer c.end()
	err = f(ctx, c)
	c.unsettled = c.unsettled && c.sent || errors.Is(err, ErrOutcomeUnknown)
	return err
}

// begin may be called again.
func (c *change) begin() {
	if c.doubt != nil {
		return
	}
	c.doubt = c.store.writes.begin(c.key)
	if c.store.cache != nil {
		c.store.revoke(c.key)
		c.fence = c.store.fences(c.key)
	}
}

// commit announces the change, sends it, and notes what is certain afterwards.
func (c *change) commit(ctx context.Context, w commit) (written, error) {
	c.begin()
	done, err := c.store.peers.Announce(ctx, c.key)
	if err != nil {
		c.unsettled = false
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return written{}, fmt.Errorf("announcing: %w", err)
	}
	c.done = done
	if ctx.Err() != nil { // nothing is sent, so nothing is unknown
		c.unsettled = false
		return written{}, context.Cause(ctx)
	}
	c.sent = true
	out, unsettled, err := c.store.run(ctx, c.key, w)
	c.unsettled = unsettled
	return out, err
}

// insert puts what was written into the cache, if keep lets it.
func (c *change) insert(ctx context.Context, info Info, data diskcache.View) {
	c.keep(ctx, info, func() error {
		cache := c.store.cache
		cache.Drop(largeName(c.key))
		return cache.Put(c.key, data, info.entry(c.store.mark), c.fence.small)
	})
}

// keep has what was written put into the cache, unless another write of the key,
// here or at a peer, came near it, or S3 made something else the current object.
// That is asked after the commit: on a versioned bucket an upload that was started
// later and finished earlier stays current, and nobody but S3 knows.
func (c *change) keep(ctx context.Context, info Info, put func() error) {
	s := c.store
	if s.cache == nil || c.unsettled || !s.writes.alone(c.doubt) || !s.isCurrent(ctx, info) {
		return
	}
	err := put()
	s.reportCache("insert", err)
	c.inserted = err == nil
}

// isCurrent asks S3. That it cannot be asked is no.
func (s *Store) isCurrent(ctx context.Context, info Info) bool {
	head, err := call(ctx, s, 0, func(ctx context.Context) (*s3.HeadObjectOutput, error) {
		out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &info.Key}, once)
		return out, s3Error(ctx, err)
	})
	return err == nil && aws.ToString(head.ETag) == info.ETag && versionOf(head.VersionId) == info.Version
}

// end ends the doubt, at once or when nothing can land any more. What was not
// replaced is dropped: it may be old.
func (c *change) end() {
	switch {
	case c.doubt == nil:
	case c.unsettled && c.sent:
		c.store.settle(c)
	default:
		c.finish()
	}
}

func (c *change) finish() {
	if c.sent && !c.inserted {
		c.store.drop(c.key)
	}
	c.store.writes.end(c.key, c.doubt)
	if c.done != nil {
		c.done()
	}
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
