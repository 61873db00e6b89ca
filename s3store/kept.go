package s3store

import (
	"context"
	"errors"
	"sync"

	"github.com/hipaakit/hipaakit/diskcache"
)

// kept reads a large object from the cache, and from S3 when its entry has been
// evicted or dropped meanwhile: the object that was opened, or [ErrChanged].
type kept struct {
	file   *File
	reader *diskcache.Reader

	mu     sync.Mutex
	ranges *rangeReader // nil: the entry is there, as far as is known
}

// openKept serves an entry, after S3 has confirmed it unless current says that there is
// no need to.
func (s *Store) openKept(ctx context.Context, r *diskcache.Reader, info Info, current bool) (*File, error) {
	if current && !s.closed.Load() {
		s.stats.hits.Add(1)
		return s.newKept(ctx, r, info), nil
	}
	fence, fill := s.fences(info.Key), s.newFill(info.Key, "")
	head, now, err := s.head(ctx, info.Key, "", info.ETag)
	switch {
	case errors.Is(err, errNotModified):
		s.stats.confirmed.Add(1)
		if fill != nil { // no write of this node was under way
			s.cache.Confirm(largeName(info.Key), info.entryVersion(s.mark), fence.large)
		}
		return s.newKept(ctx, r, info), nil
	case errors.Is(err, ErrUnavailable) && s.options.StaleIfUnavailable:
		s.stats.stale.Add(1)
		info.Stale = true
		return s.newKept(ctx, r, info), nil
	}
	r.Close()
	if err != nil {
		return nil, err
	}
	return s.openHead(ctx, head, now, "", fill)
}

func (s *Store) newKept(ctx context.Context, r *diskcache.Reader, info Info) *File {
	ctx, cancel := context.WithCancelCause(ctx)
	f := &File{store: s, info: info, size: info.Size, last: -1, ctx: ctx, cancel: cancel}
	f.stop = context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })
	f.kept = &kept{file: f, reader: r}
	f.data = f.kept
	s.files.track(f)
	return f
}

// ReadAt implements io.ReaderAt.
func (k *kept) ReadAt(p []byte, off int64) (int, error) {
	n, err := k.reader.ReadAt(p, off)
	if !errors.Is(err, diskcache.ErrMiss) {
		return n, err
	}
	ranges, err := k.instead()
	if err != nil {
		return 0, err
	}
	return ranges.ReadAt(p, off)
}

// instead opens the object in S3. After a failure it tries again with the next read.
func (k *kept) instead() (*rangeReader, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ranges != nil {
		return k.ranges, nil
	}
	f := k.file
	r := newRangeReader(f.ctx, f.store, f.info)
	if _, err := r.open(); err != nil {
		return nil, err
	}
	if err := f.store.files.add(f.ctx, f); err != nil {
		return nil, err
	}
	k.ranges = r
	return r, nil
}

func (k *kept) forget() {
	k.reader.Close() // it keeps a chunk
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ranges != nil {
		k.ranges.forget()
	}
}

func (k *kept) close() {
	k.reader.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ranges != nil {
		k.ranges.close()
	}
}
