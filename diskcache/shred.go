package diskcache

import (
	"context"
	"errors"
	"fmt"
)

// ShredGroup makes every entry of a group unreadable, in memory and on disk, and
// kills, for entries of that group, every fence captured before: the group's
// secret, which the keys of its records were derived with, is destroyed. Entries
// stored later get a new secret. It takes as long as writing and syncing 4 KiB, and
// a look at what is in memory; not as long as finding the group's entries.
//
// An error says that the secret is destroyed in this process, but may still be in
// the file: after a restart the entries could be found again, as suspects. Call it
// again.
//
// What is unlinked and overwritten may survive in flash, or in an image of the
// disk taken before. With such an image and the keyring that wraps the cache key,
// the entries can be read; without the keyring they cannot. Rotating the keyring's
// key, or [Cache.Shred], closes that as well.
func (c *Cache) ShredGroup(ctx context.Context, group string) error {
	if group == "" || len(group) > maxGroup {
		return fmt.Errorf("%w: a group has 1 to %d bytes, this one has %d", ErrInvalid, maxGroup, len(group))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := c.shreds.lockContext(ctx); err != nil { // before enter, as in Shred
		return err
	}
	defer c.shreds.unlock()
	if !c.enter() {
		return ErrClosed
	}
	defer c.leave()
	hash := c.groupHash(group)
	// First the fences, then the secret, then what is in memory: an insert that
	// is allowed has the old secret's number, and finds it gone or is swept away.
	c.clock.shred(hash)
	g := &c.disk.groups
	g.destroy(hash)
	c.sweepGroup(hash)
	if err := g.secrets.erase(ctx, g); err != nil {
		c.disk.failures.Add(1)
		return fmt.Errorf("diskcache: the group's secret is destroyed in memory but perhaps not on disk: %w", err)
	}
	return nil
}

// sweepGroup removes the group's items from memory, but for those that have come
// with its new secret.
func (c *Cache) sweepGroup(hash uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for it := s.ram.oldest; it != nil; {
			next := it.newer
			if it.group.hash == hash && it.group != (groupID{}) && !c.disk.groups.alive(it.group) {
				c.release(s.ram.remove(it.hash))
			}
			it = next
		}
		s.mu.Unlock()
	}
}

// Shred makes everything unreadable: the cache key is destroyed, in memory and on
// disk, and the cache goes on, empty, under a new one. It has the new key wrapped
// first, for which a keyring that does not answer has 10 s; then it waits for calls
// that are using the disk, up to 10 s as well. All fences are dead. ctx is for what
// comes before.
//
// An error says that nothing is shredded, because of ctx or of a disk that does not
// answer, or that files of the old key are left, of which the next Shred or Open with
// the same folder deletes what it can: call it again. If only the new key cannot be wrapped, that is
// logged: this cache then ends with this process. For what shredding cannot do see
// [Cache.ShredGroup].
func (c *Cache) Shred(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := c.shreds.lockContext(ctx); err != nil {
		return err
	}
	defer c.shreds.unlock()
	key := newKey()
	wrapped, unstored := wrapKey(ctx, c.keys, key) // before anybody is stopped
	if err := c.exclude(ctx); err != nil {
		return fmt.Errorf("diskcache: nothing is shredded, calls are stuck in the disk: %w", err)
	}
	defer c.life.Unlock()
	if c.closed.Load() {
		return ErrClosed
	}
	c.disk.quit()
	err := c.disk.shred(c.folder, key, c.finishLoading)
	c.clear()
	c.seed.Store(newHashSeed(c.disk.key))
	c.clock.epoch.Add(1)
	if unstored == nil {
		unstored = storeKey(c.folder, wrapped)
		c.disk.saveSeq(c.folder)
	}
	if unstored != nil {
		c.log.Warn("diskcache: the new key cannot be stored: this cache ends with this process", "error", unstored)
	}
	if err != nil {
		return fmt.Errorf("diskcache: files of the destroyed key are left: %w", err)
	}
	return nil
}

// finishLoading lets everybody in: there is nothing left to be found.
func (c *Cache) finishLoading() {
	c.loading.noteAll(c.disk.seq.Add(1))
}

// shred deletes every file and replaces the key.
func (d *disk) shred(fo *folder, key *cacheKey, emptied func()) error {
	d.gate.lock()
	defer d.gate.unlock()
	// First of all, since of two records of a key the newer one may be deleted first; empty
	// tries again, and tells of it.
	_ = fo.root.Remove(keyName)
	for _, s := range d.table.all() {
		d.delete(s)
	}
	for len(d.drops.files) > 0 {
		d.deleteDrops(d.drops.files[0])
	}
	emptied()
	err := errors.Join(fo.empty(), syncFolder(d.root))
	*d.key = *key
	clear(key[:])
	d.groups.clear()
	return err
}
