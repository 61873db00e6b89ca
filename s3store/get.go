package s3store

import (
	"context"
	"errors"

	"github.com/hipaakit/hipaakit/diskcache"
)

// Get returns the object of key: from the cache where that is sure to be
// current, else confirmed with or read from S3. What is larger than
// [Options.MaxInMemory] is [ErrTooLarge], found out from its first bytes where it
// was stored with its size known: read it with [Store.Open].
//
// Errors: [ErrNotFound], [ErrCorrupt], [ErrDenied], [ErrUnavailable],
// [ErrTooLarge], [ErrInvalid], [ErrClosed], or what keyring or ctx answered.
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
	if s.cache == nil || isLargeName(key) {
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
		o, err := s.fetch(ctx, key, "", Object{})
		if err == nil {
			s.stats.fetched.Add(1)
		}
		return o, err
	}
	// The fence first: a write that begins between the two moves it.
	fence := s.cache.Fence(key)
	f := filling{store: s, key: key, fence: fence, may: !s.writes.doubts(key), found: found}
	var o Object
	if !fresh || !f.may {
		var insert func()
		if o, insert, err = f.run(ctx); insert != nil {
			insert()
		}
	} else {
		o, err = s.flights.do(ctx, s, flightName{key, f.fence}, f.unlessThere)
	}
	s.outlived(key, err)
	return s.orStale(o, found, err)
}

// outlived drops an entry that an error of S3's shows to be old: the object is gone, or
// is another one (S3 was asked for any but that of the entry), which could not be read,
// as after its key was destroyed. The next outage must not bring the entry back.
func (s *Store) outlived(key string, err error) {
	e := (*Error)(nil)
	another := errors.As(err, &e) && e.ETag != ""
	if !another && !errors.Is(err, ErrNotFound) {
		return
	}
	if s.has(key) {
		s.drop(key)
	}
}

// orStale serves what could not be confirmed, where the application wants that.
func (s *Store) orStale(o, found Object, err error) (Object, error) {
	if err == nil || !s.options.StaleIfUnavailable || found.ETag == "" || !errors.Is(err, ErrUnavailable) {
		return o, err
	}
	s.stats.stale.Add(1)
	found.Stale = true
	return found, nil
}

// filling is one request to S3 whose answer is meant for the cache.
type filling struct {
	store *Store
	key   string
	fence diskcache.Fence
	may   bool   // no write of this node was under way since the fence was captured
	found Object // what the cache has; ETag "" if nothing
}

// unlessThere is run, for a caller who may be served from the cache: who looked there
// just before another's request was answered, and came here after, finds it now.
func (f filling) unlessThere(ctx context.Context) (Object, func(), error) {
	if o, suspect, ok := f.store.cached(f.key); ok && !suspect {
		f.store.stats.hits.Add(1)
		return o, nil, nil
	}
	return f.run(ctx)
}

// run asks S3. It returns what is left to be done with the answer.
func (f filling) run(ctx context.Context) (_ Object, insert func(), _ error) {
	s := f.store
	o, err := s.fetch(ctx, f.key, "", f.found)
	switch {
	case errors.Is(err, errNotModified):
		s.stats.confirmed.Add(1)
		if f.may {
			s.cache.Confirm(f.key, f.found.entryVersion(s.mark), f.fence)
		}
		return f.found, nil, nil
	case errors.Is(err, errRewrapped):
		s.stats.confirmed.Add(1)
		return o, func() { f.insert(o) }, nil
	case err == nil:
		s.stats.fetched.Add(1)
		return o, func() { f.insert(o) }, nil
	}
	return o, nil, err
}

func (f filling) insert(o Object) {
	if f.may {
		f.store.reportCache("fill", f.store.cache.Put(f.key, o.Data, o.entry(f.store.mark), f.fence))
	}
}

// reportCache logs a cache that fails; the caller is served all the same.
func (s *Store) reportCache(what string, err error) {
	if unremarkable(err) {
		return
	}
	s.stats.cacheErrors.Add(1)
	s.log.Warn("s3store: the cache failed, serving without it", "during", what, "error", err)
}
