package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

// Get returns the object of key: from the cache where that is sure to be
// current, else confirmed with or read from S3. Errors: [ErrNotFound],
// [ErrCorrupt], [ErrDenied], [ErrUnavailable], [ErrTooLarge], [ErrInvalid],
// [ErrClosed], or what keyring or ctx answered.
func (s *Store) Get(ctx context.Context, key string) (Object, error) {
	// Freshness first, then the entry. The other way round, a peer's write could
	// commit and end between the two, and a reader that came after somebody who
	// saw the new data would be given the old.
	fresh := s.fresh(key)
	found, suspect, ok := s.cached(key)
	if ok && fresh && !suspect && !s.closed.Load() {
		s.stats.hits.Add(1)
		return found, nil
	}
	o, err := s.ask(ctx, key, fresh, found)
	return o, failure("get", key, err)
}

// fresh reports whether the cache may answer for key without S3.
func (s *Store) fresh(key string) bool { return s.peers.Fresh(key) && !s.writes.doubts(key) }

func (s *Store) cached(key string) (found Object, suspect, ok bool) {
	if s.cache == nil {
		return found, false, false
	}
	e, err := s.cache.Get(key)
	if err != nil {
		return found, false, false
	}
	if found, ok = object(key, s.mark, e); !ok {
		return Object{}, false, false // another store's, or no entry of ours
	}
	return found, e.Suspect, true
}

// ask gets key from S3, or S3's word that found is current. Those who ask while
// everything is fresh share one request; its fence in the name makes sure that
// nobody joins a request that began before a write he must see. While it is not,
// no fence moves with what peers do, and everybody asks for himself.
func (s *Store) ask(ctx context.Context, key string, fresh bool, found Object) (Object, error) {
	if err := checkKey(key); err != nil {
		return Object{}, err
	}
	ctx, release, err := s.work(ctx)
	if err != nil {
		return Object{}, err
	}
	defer release()
	if s.cache == nil {
		o, err := s.fetch(ctx, key, "")
		if err == nil {
			s.stats.fetched.Add(1)
		}
		return o, err
	}
	// The fence first: a write that begins between the two moves it.
	fence := s.cache.Fence(key)
	f := filling{store: s, key: key, fence: fence, may: !s.writes.doubts(key), found: found}
	if !fresh || !f.may {
		return f.run(ctx)
	}
	return s.flights.do(ctx, s, flightName{key, f.fence}, f.run)
}

// filling is one request to S3 whose answer is meant for the cache.
type filling struct {
	store *Store
	key   string
	fence diskcache.Fence
	may   bool   // no write of this node was under way since the fence was captured
	found Object // what the cache has; ETag "" if nothing
}

func (f filling) run(ctx context.Context) (Object, error) {
	s := f.store
	o, err := s.fetch(ctx, f.key, f.found.ETag)
	switch {
	case errors.Is(err, errNotModified):
		s.stats.confirmed.Add(1)
		if f.may {
			s.cache.Confirm(f.key, f.found.ETag, f.fence)
		}
		return f.found, nil
	case err == nil:
		s.stats.fetched.Add(1)
		if f.may {
			meta := diskcache.Meta{Version: o.ETag, Blob: o.blob(s.mark)}
			s.reportCache("fill", s.cache.Put(f.key, o.Data, meta, f.fence))
		}
	case errors.Is(err, ErrNotFound) && f.found.ETag != "":
		s.drop(f.key)
	}
	return o, err
}

var errNotModified = errors.New("not modified")

// fetch reads and opens the object. With the ETag of what is known already it
// may answer errNotModified.
func (s *Store) fetch(ctx context.Context, key, known string) (Object, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}
	if known != "" {
		in.IfNoneMatch = &known
	}
	out, err := s.client.GetObject(ctx, in)
	if known != "" && statusOf(err) == http.StatusNotModified {
		return Object{}, errNotModified
	}
	if err != nil {
		return Object{}, s3Error(ctx, err)
	}
	defer out.Body.Close()
	if aws.ToString(out.ETag) == "" {
		return Object{}, s3Error(ctx, errHollow)
	}
	return s.open(ctx, key, out)
}

func (s *Store) open(ctx context.Context, key string, out *s3.GetObjectOutput) (Object, error) {
	info := infoOf(key, out)
	r, err := envelope.NewReader(ctx, body{ctx, out.Body}, s.keyring, s.binding(key))
	if err != nil {
		return Object{}, damaged("get", key, info.ETag, err)
	}
	size := r.Info().Size
	if size > s.options.MaxObject {
		return Object{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, s.options.MaxObject)
	}
	plain, err := s.readAll(r, size)
	if err != nil {
		return Object{}, damaged("get", key, info.ETag, err)
	}
	info.Size, info.Metadata = int64(len(plain)), r.Info().Metadata
	return Object{Info: info, Data: diskcache.NewView(plain)}, nil
}

func infoOf(key string, out *s3.GetObjectOutput) Info {
	return Info{Key: key, ETag: aws.ToString(out.ETag), SealedSize: aws.ToInt64(out.ContentLength),
		Modified: aws.ToTime(out.LastModified).UTC()}
}

func damaged(op, key, etag string, err error) error {
	return &Error{Op: op, Key: key, ETag: etag, Err: sealError(err)}
}

// body tells an answer that broke off from an object that is too short: both end
// in io.ErrUnexpectedEOF, and only the first is worth another try.
type body struct {
	ctx context.Context
	r   io.Reader
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	switch {
	case err == nil || err == io.EOF:
	case b.ctx.Err() != nil:
		err = reason{context.Cause(b.ctx), "", brokenOff{err}}
	default:
		err = reason{ErrUnavailable, "the answer broke off", brokenOff{err}}
	}
	return n, err
}

// brokenOff hides io.ErrUnexpectedEOF from those who take it for their own.
type brokenOff struct{ error }

// reportCache logs a cache that fails; the caller is served all the same.
func (s *Store) reportCache(what string, err error) {
	if err == nil || errors.Is(err, diskcache.ErrFenced) || errors.Is(err, diskcache.ErrClosed) {
		return
	}
	s.stats.cacheErrors.Add(1)
	s.log.Warn("s3store: the cache failed, serving without it", "during", what, "error", err)
}
