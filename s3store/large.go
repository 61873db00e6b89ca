package s3store

import (
	"errors"
	"strings"

	"github.com/hipaakit/hipaakit/diskcache"
)

// What is larger than [Options.MaxInMemory] is cached as a stream, and under a name of
// its own: the cache's Get reads an entry whole, and would read gigabytes for a caller
// who asks for a small object that was large a moment ago. No key holds a control
// character, so nothing else has that name. An object has an entry under one of the two:
// who inserts it under one has dropped the other.
func largeName(key string) string { return key + "\x00" }

// isLargeName tells such a name from a key. A caller who asks for one is refused, like
// with all bad keys, but the cache is asked before that is found out.
func isLargeName(key string) bool { return strings.HasSuffix(key, "\x00") }

// fences are of both names of one key.
type fences struct{ small, large diskcache.Fence }

func (s *Store) fences(key string) fences {
	return fences{s.cache.Fence(key), s.cache.Fence(largeName(key))}
}

func (s *Store) revoke(key string) {
	if s.cache != nil {
		s.cache.Revoke(key)
		s.cache.Revoke(largeName(key))
	}
}

func (s *Store) drop(key string) {
	if s.cache != nil {
		s.cache.Drop(key)
		s.cache.Drop(largeName(key))
	}
}

// large looks for the entry of a large object. Who gets one closes it.
func (s *Store) large(key string) (r *diskcache.Reader, info Info, suspect, ok bool) {
	if s.cache == nil {
		return nil, Info{}, false, false
	}
	r, err := s.cache.Open(largeName(key))
	if err != nil {
		return nil, Info{}, false, false
	}
	found := r.Info()
	o, ok := object(key, s.mark, diskcache.Entry{Meta: found.Meta})
	if !ok {
		r.Close()
		return nil, Info{}, false, false
	}
	o.Size = r.Size()
	return r, o.Info, found.Suspect, true
}

// has reports whether the cache has an entry of key, under either name.
func (s *Store) has(key string) bool {
	if _, _, ok := s.cached(key); ok {
		return true
	}
	r, _, _, ok := s.large(key)
	if ok {
		r.Close()
	}
	return ok
}

// stream is an entry that is being written.
type stream struct {
	store *Store
	key   string
	w     *diskcache.Writer
	large bool // by which name
}

// newStream begins the entry of an object whose data are of size bytes (-1: unknown, and
// large). nil: the cache will not have it.
func (s *Store) newStream(key string, size int64, f fences) *stream {
	name, fence, large := key, f.small, false
	if size < 0 || size > s.options.MaxInMemory {
		name, fence, large = largeName(key), f.large, true
	}
	w, err := s.cache.Create(name, size, fence)
	if err != nil {
		s.reportCache("insert", err)
		return nil
	}
	return &stream{s, key, w, large}
}

func (t *stream) commit(info Info) error {
	if t.large {
		t.store.cache.Drop(t.key)
	} else {
		t.store.cache.Drop(largeName(t.key))
	}
	return t.w.Commit(info.entry(t.store.mark))
}

// abort ends a stream that was not committed; nil has none.
func (t *stream) abort() {
	if t != nil {
		t.w.Abort()
	}
}

// unremarkable are a cache's refusals that nobody needs to know of.
func unremarkable(err error) bool {
	return err == nil || errors.Is(err, diskcache.ErrFenced) || errors.Is(err, diskcache.ErrClosed) || errors.Is(err, diskcache.ErrTooLarge)
}
