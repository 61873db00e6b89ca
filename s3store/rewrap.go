package s3store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hipaakit/hipaakit/envelope"
)

// Rewrap moves the object of key to the newest version of its keys, or of the
// keyring's keys that are named instead, without decrypting its data: a new header
// is put before the rest, which S3 copies itself if it is large. An object that is
// there already is left alone. A key of the object that was destroyed is left out.
//
// It is conditional on the object that it read: a write that came between is
// [ErrChanged], and the object is that of the write. It counts as a write for the
// peers; what this node has cached of the object stays. On a bucket that keeps
// versions the one before stays as well, under the old key.
//
// The data key stays the same. After exposure of a data key use [Store.Copy], onto
// the same key.
func (s *Store) Rewrap(ctx context.Context, key string, keys ...string) (Info, error) {
	info, err := s.rewrap(ctx, key, keys)
	return info, failure("rewrap", key, renamed("rewrap", err))
}

func (s *Store) rewrap(ctx context.Context, key string, keys []string) (Info, error) {
	old, err := s.look(ctx, key, "")
	if err != nil {
		return Info{}, err
	}
	if len(keys) == 0 {
		keys = s.living(ctx, old.names())
	}
	done, err := s.newest(ctx, old.keys, keys)
	if err != nil {
		return Info{}, err
	}
	if done {
		return s.sized(ctx, old.info)
	}
	return s.splice(ctx, old, keys, condition{etag: old.info.ETag})
}

// Restore makes an older version of key the current object again, whether it was
// replaced or deleted; see [Store.Versions]. Its keys are brought to their newest
// version on the way. S3 copies what is large itself; the older version stays.
// Errors are those of [Store.Put]; [ErrNotFound] if there is no such version.
func (s *Store) Restore(ctx context.Context, key, version string) (Info, error) {
	info, err := s.restore(ctx, key, version)
	return info, failure("restore", key, renamed("restore", err))
}

func (s *Store) restore(ctx context.Context, key, version string) (Info, error) {
	if version == "" {
		return Info{}, fmt.Errorf("%w: no version; see Versions", ErrInvalid)
	}
	old, err := s.look(ctx, key, version)
	if err != nil {
		return Info{}, err
	}
	old.info.Version = version // also "null", what was there before the bucket kept versions
	return s.splice(ctx, old, s.living(ctx, old.names()), condition{})
}

// names are those of the keys that open the object, each once.
func (l looked) names() (names []string) {
	for _, k := range l.keys {
		if !slices.Contains(names, k.Name) {
			names = append(names, k.Name)
		}
	}
	return names
}

// living leaves the names of destroyed keys out, which open nothing any more, unless
// none is left.
func (s *Store) living(ctx context.Context, names []string) []string {
	var living []string
	for _, name := range names {
		if _, err := s.keyring.Latest(ctx, name); !errors.Is(err, envelope.ErrKeyDestroyed) {
			living = append(living, name)
		}
	}
	if living == nil {
		return names
	}
	return living
}

// newest reports whether has are just the newest versions of the named keys.
func (s *Store) newest(ctx context.Context, has []envelope.KeyID, names []string) (bool, error) {
	var want []envelope.KeyID
	for _, name := range names {
		id, err := s.keyring.Latest(ctx, name)
		if err != nil {
			return false, err
		}
		want = append(want, id)
	}
	return slices.Equal(has, want), nil
}

// splice stores the envelope that was looked at under its own key, behind a new
// header.
func (s *Store) splice(ctx context.Context, old looked, keys []string, when condition) (Info, error) {
	key := old.info.Key
	info := old.info
	err := s.write(ctx, key, func(ctx context.Context, c *change) error {
		c.begin()
		header, replaces, err := envelope.RewrapHeader(ctx, old.head, s.keyring, s.keyring, s.binding(key), keys...)
		if err != nil {
			return sealError(err)
		}
		now, err := s.headerOf(ctx, key, header)
		if err != nil {
			return err
		}
		known, _, _ := s.cached(key)
		u := s.newUpload(ctx, c, s.options.plan, newMeter(nil, -1))
		defer u.abandon()
		// The slots hold fresh random salts: no other envelope begins like this one.
		// The object id alone would not do, as re-wrapping does not change it.
		u.identity = header[:min(len(header), 256)]
		if err := u.splice(old.info, header, int64(replaces)); err != nil {
			return err
		}
		out, err := u.commit(when)
		if err != nil {
			return err
		}
		info.KeyID = now.Key
		info.ETag, info.Version, info.Modified, info.SealedSize = out.etag, out.version, out.modified, u.total
		if known.ETag != "" && known.ID == info.ID {
			info.Size = known.Size
			c.insert(ctx, info, known.Data)
			return nil
		}
		s.moveLarge(ctx, c, &info)
		return nil
	})
	if err != nil {
		return Info{}, err
	}
	s.stats.puts.Add(1)
	return s.sized(ctx, info)
}

// moveLarge writes the entry of a large object anew, under its new ETag and key: from
// disk to disk, which is nearer than S3.
func (s *Store) moveLarge(ctx context.Context, c *change, info *Info) {
	r, known, _, ok := s.large(c.key)
	if !ok {
		return
	}
	defer r.Close()
	if known.ID != info.ID {
		return
	}
	info.Size = known.Size
	c.keep(ctx, *info, func() error {
		return s.cache.PutFrom(ctx, largeName(c.key), r, r.Size(), info.entry(s.mark), c.fence.large)
	})
}

// sized learns the size of an object that was stored without it.
func (s *Store) sized(ctx context.Context, info Info) (Info, error) {
	if info.Size >= 0 {
		return info, nil
	}
	seen, err := s.stat(ctx, info.Key)
	if err == nil && seen.ID == info.ID {
		info.Size = seen.Size
	}
	if errors.Is(err, ErrCorrupt) { // a body that was damaged before is damaged after
		return info, err
	}
	return info, nil
}
