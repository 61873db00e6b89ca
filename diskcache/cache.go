package diskcache

import (
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Cache is an encrypted cache in one folder. All methods are safe for
// concurrent use. It has no goroutine of its own.
type Cache struct {
	seed   maphash.Seed
	opened time.Time
	maxAge time.Duration
	log    *slog.Logger

	shards [shardCount]shard
	memory memory
	clock  clock
	disk   *disk
	folder *folder

	damaged, expired, fenced atomic.Uint64

	// life is held for reading by whatever uses the disk; Close takes it for
	// writing and so waits for all of them. Hits in memory do not touch it.
	life   sync.RWMutex
	closed atomic.Bool
}

// hash is keyed with a secret of this process: nobody can choose keys that
// collide. Two keys that do are told apart by the full key in the record, and
// cost each other a miss.
func (c *Cache) hash(key string) uint64 { return maphash.String(c.seed, key) }

// versionHash covers the key too, so that it tells colliding keys apart.
func (c *Cache) versionHash(key, version string) uint64 {
	return maphash.Comparable(c.seed, [2]string{key, version})
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

// Close waits for the calls that are using the disk, closes every file and
// unlocks the folder. Views stay valid. A second Close does nothing.
//
// Nothing is synced: after a power failure every entry is suspect and every
// record is authenticated, so what the file system lost is a miss.
func (c *Cache) Close() error {
	c.life.Lock()
	defer c.life.Unlock()
	if c.closed.Swap(true) {
		return nil
	}
	for i := range c.shards {
		c.shards[i].clear()
	}
	c.disk.close()
	return c.folder.close()
}

func (s *shard) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.slots)
	s.lru.Purge()
}

// now returns nanoseconds since 1970. Reading the monotonic clock alone takes
// half the time of time.Now, which would be a third of a hit in memory. It
// follows the wall clock from the moment the cache was opened, and so is not
// thrown by a step of it; while a machine is suspended, it may stand still.
func (c *Cache) now() int64 { return c.opened.UnixNano() + int64(time.Since(c.opened)) }

// expiredAt reports whether an entry stored then may not be served now. One
// from the future was stored under a clock that was wrong; believing it would
// make it immortal.
func (c *Cache) expiredAt(stored, now int64) bool {
	age := time.Duration(now - stored)
	return age > c.maxAge || age < -clockSlack
}

// clockSlack is how far a clock may have been set back between two runs.
const clockSlack = time.Hour
