package diskcache

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Cache is an encrypted cache in one folder. All methods are safe for
// concurrent use. Two goroutines belong to it until Close: one finds again what
// is on disk and ends, the other keeps a coarse clock.
type Cache struct {
	seed   atomic.Pointer[hashSeed]
	hashed func(key string) uint64 // instead, in tests
	log    *slog.Logger
	keys   KeyWrapper

	shards   [shardCount]shard
	shortcut shortcut
	memory   memory
	clock    clock
	ages     ages
	disk     *disk
	folder   *folder
	loading  loading
	entries  atomic.Int64 // slots

	memoryHits                        tally
	said                              atomic.Uint64 // trip of the breaker that the log tells of
	damaged, expired, fenced, scanned atomic.Uint64

	// life is held for reading by whatever uses the disk; Close and Shred take it
	// for writing and so wait for all of them. Hits in memory do not touch it.
	life   sync.RWMutex
	closed atomic.Bool

	stop      context.CancelFunc
	owned     sync.WaitGroup
	shreds    gate        // one at a time
	shredding atomic.Bool // one waits for those who use the disk

	dropping atomic.Int32 // calls of DropAll
}

func (c *Cache) hash(key string) uint64 {
	if c.hashed != nil {
		return c.hashed(key)
	}
	return c.seed.Load().sum(key)
}

// groupHash is another function than hash: a group must not look like a key.
func (c *Cache) groupHash(name string) uint64 {
	seed := *c.seed.Load()
	return (&hashSeed{^seed.k0, ^seed.k1}).sum(name)
}

func (c *Cache) shard(hash uint64) *shard { return &c.shards[hash%shardCount] }

// enter reports whether the cache is open and keeps it open until leave.
func (c *Cache) enter() bool {
	c.life.RLock()
	if c.closed.Load() {
		c.life.RUnlock()
		return false
	}
	return true
}

func (c *Cache) leave() { c.life.RUnlock() }

// exclude waits until nobody uses the disk, and keeps everybody out until life is
// unlocked. A Lock that waits would stop all others for as long as a stalled device
// holds one of them. So it tries, and lest there always be somebody, those who only
// want to read or to insert are let pass meanwhile.
func (c *Cache) exclude(ctx context.Context) error {
	c.shredding.Store(true)
	defer c.shredding.Store(false)
	ctx, cancel := context.WithTimeoutCause(ctx, shredPatience, errStalled)
	defer cancel()
	for pause := time.Microsecond; !c.life.TryLock(); pause = min(2*pause, 10*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

const shredPatience = 10 * time.Second

// Close waits for the calls that are using the disk and for its own goroutines,
// closes every file and unlocks the folder. Views stay valid. A second Close does
// nothing.
//
// Nothing is synced: after a power failure every entry is suspect and every
// record is authenticated, so what the file system lost is a miss.
func (c *Cache) Close() error {
	c.stop()
	c.owned.Wait()
	c.life.Lock()
	defer c.life.Unlock()
	if c.closed.Swap(true) {
		return nil
	}
	c.clear()
	c.disk.quit()
	c.disk.close()
	return c.folder.close()
}
