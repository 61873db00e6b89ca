package diskcache

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// Open opens the cache in dir, which it creates with mode 0700 if it is not
// there. The folder belongs to the cache alone.
//
// Open returns within some 100 ms however much is in the folder: finding it again
// goes on in the background, and until [Cache.Loaded] is closed what has not been
// found yet is a miss. (If the file boot is lost, it returns when all is found. A
// keyring that does not answer is waited for, up to 10 s for each call. A million groups
// add some 0.2 s.) Entries found are suspect until confirmed. The cache starts
// empty, and the log says why, if the key cannot be unwrapped or the folder has
// another version of the format; it starts empty, as agreed, without o.Keys.
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
	var c *Cache
	defer func() {
		if c == nil { // also if a KeyWrapper panics
			_ = fo.close()
		}
	}()
	c, err = open(ctx, fo, version, o)
	return c, err
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
		wrapped, err := wrapKey(ctx, o.Keys, key)
		if err == nil {
			err = storeKey(fo, wrapped)
		}
		if err != nil {
			o.Logger.Warn("diskcache: the key cannot be stored: this cache ends with this process", "error", err)
		}
	}
	if ctx.Err() != nil {
		return nil, calledOff(ctx)
	}
	c := newCache(fo, key, o)
	if err := c.survey(); err != nil {
		c.disk.close()
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// patience is how long Open waits for a small folder to be loaded: a program that
// opens a cache and asks at once for what it stored the day before should find it.
const patience = 50 * time.Millisecond

func (c *Cache) await(ctx context.Context) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-c.Loaded():
	case <-t.C:
	case <-ctx.Done():
	}
}

// start begins what goes on in the background. It lets nobody in before sequence
// numbers are known to be new; see boot.go.
func (c *Cache) start(ctx context.Context) error {
	known := c.disk.startSeq(c.folder)
	if known {
		c.disk.saveSeq(c.folder)
	}
	background, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.owned.Go(func() { c.load(background) })
	c.owned.Go(func() { c.ages.run(background) })
	if known {
		c.await(ctx)
		return nil
	}
	select {
	case <-c.Loaded():
		c.disk.saveSeq(c.folder)
		return nil
	case <-ctx.Done():
		return calledOff(ctx)
	}
}

func newCache(fo *folder, key *cacheKey, o Options) *Cache {
	c := &Cache{log: o.Logger, keys: o.Keys, memory: memory{budget: o.MemoryBytes}, folder: fo, hashed: o.hash, shreds: newGate()}
	c.seed.Store(newHashSeed(key))
	c.ages.init(o.MaxAge)
	c.shortcut.init()
	c.clock.epoch.Store(1)
	c.loading.init()
	d := &disk{
		root: fo.root, key: key, limit: o.MaxBytes, segmentBytes: o.segmentBytes(),
		wrap: o.wrap, log: o.Logger, index: c, gate: newGate(), number: 1,
		scratch: sync.Pool{New: newScratch},
		space:   space{statfs: o.statfs, now: c.ages.now, limit: math.MaxInt64},
		breaker: newBreaker(c.ages.now),
	}
	if d.space.statfs == nil {
		d.space.statfs = fo.free
	}
	d.reclaim.turn = newGate()
	d.table.init()
	d.policy.init()
	d.strays.init()
	d.groups.init(o.MaxBytes)
	d.groups.secrets.init(fo.root, o.wrap, key, &d.breaker)
	c.disk = d
	return c
}
