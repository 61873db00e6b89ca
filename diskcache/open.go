package diskcache

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// Open opens the cache in dir, which it creates with mode 0700 if it is not
// there. The folder belongs to the cache alone.
//
// Entries found there are suspect until confirmed. The cache starts empty, and
// the log says why, if the key cannot be unwrapped or the folder has another
// version of the format; it starts empty, as agreed, without o.Keys.
//
// The errors are [ErrUnsafeFolder], [ErrNotCacheFolder], [ErrLocked],
// [ErrInvalid] for options, ctx's, and the file system's own. ctx is used
// during Open only.
func Open(ctx context.Context, dir string, o Options) (*Cache, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	fo, version, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	c, err := open(ctx, fo, version, o)
	if err != nil {
		_ = fo.close()
		return nil, err
	}
	return c, nil
}

func open(ctx context.Context, fo *folder, version int, o Options) (*Cache, error) {
	key, fresh, err := openKey(ctx, fo, version, o)
	if err != nil {
		return nil, err
	}
	if fresh {
		// The marker goes last: until it is there, the folder still has the
		// old version and is emptied again.
		if err := fo.empty(); err != nil {
			return nil, fmt.Errorf("diskcache: cannot empty the folder: %w", err)
		}
		if err := fo.mark(); err != nil {
			return nil, fmt.Errorf("diskcache: cannot mark the folder: %w", err)
		}
		storeKey(ctx, fo, key, o)
	}
	c := newCache(fo, key, o)
	if err := c.restore(ctx); err != nil {
		c.disk.close()
		return nil, err
	}
	return c, nil
}

func newCache(fo *folder, key *cacheKey, o Options) *Cache {
	c := &Cache{
		seed:   maphash.MakeSeed(),
		opened: time.Now(),
		maxAge: o.MaxAge,
		log:    o.Logger,
		memory: memory{budget: o.MemoryBytes},
		folder: fo,
	}
	c.clock.epoch.Store(1)
	for i := range c.shards {
		c.shards[i].init(&c.memory)
	}
	c.disk = &disk{
		root: fo.root, key: key, limit: o.MaxBytes, segmentBytes: o.segmentBytes(),
		wrap: o.wrap, log: o.Logger, forget: c.forget,
		table: newTable(), number: 1, scratch: sync.Pool{New: newScratch},
	}
	return c
}
