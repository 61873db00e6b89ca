package diskcache

import (
	"bytes"
	"errors"
	"strings"
	"time"
)

// Get returns the entry of key, or [ErrMiss]. It never returns another error
// (ErrClosed is an ErrMiss): to a caller, a cache that fails is a cache that
// misses. Data is the memory tier's own; see [View]. A hit in memory takes no lock
// and allocates nothing, but for the copy of a blob that is not empty.
//
// An entry that is Suspect must be confirmed before it is used.
func (c *Cache) Get(key string) (Entry, error) {
	if it := c.shortcut.find(c.shortcut.tag(key), key); it != nil && c.hit(it) {
		c.memoryHits.add()
		return it.entry(c.clock.epoch.Load()), nil
	}
	hash := c.hash(key)
	s := c.shard(hash)
	if it := s.ram.find(hash, key); it != nil && c.hit(it) {
		c.shortcut.offer(it)
		c.memoryHits.add()
		return it.entry(c.clock.epoch.Load()), nil
	}
	return c.fromDisk(s, hash, key)
}

// hit marks an item and reports whether it may be served.
func (c *Cache) hit(it *item) bool {
	switch m := it.mark.Load(); {
	case m&markGone != 0 || !c.ages.live(it):
		return false
	case m != markRAM|markDisk:
		it.mark.Or(markRAM | markDisk)
	}
	return true
}

// fromDisk serves what is not in memory. The record is read without a lock,
// so the key may have been dropped or replaced meanwhile: then it starts over,
// for otherwise a caller could see new data first and old data after.
func (c *Cache) fromDisk(s *shard, hash uint64, key string) (Entry, error) {
	if c.shredding.Load() {
		return Entry{}, ErrMiss
	}
	if !c.enter() {
		return Entry{}, ErrClosed
	}
	defer c.leave()
	sc := c.disk.getScratch()
	defer c.disk.putScratch(sc)
	for range 4 {
		sl, ok := c.usable(s, hash)
		if !ok {
			break
		}
		r, data, err := c.disk.read(sl, key, sc)
		if err == nil && !c.ages.fresh(r.stored) {
			c.expired.Add(1)
			err = ErrMiss
		}
		if err != nil {
			if c.unusable(s, hash, sl, err) {
				break
			}
			continue // perhaps somebody has stored a new one
		}
		if e, ok := c.promote(s, sl, key, &r, data); ok {
			return e, nil
		}
	}
	s.missed()
	return Entry{}, ErrMiss
}

// unusable deals with a record that could not be read, and reports whether there is
// no point in looking again.
func (c *Cache) unusable(s *shard, hash uint64, sl slot, err error) (final bool) {
	if errors.Is(err, errOtherKey) || bypassed(err) {
		return true
	}
	c.discard(s, hash, sl, err)
	return false
}

func bypassed(err error) bool { return errors.Is(err, errTripped) || errors.Is(err, errStalled) }

// usable returns the slot of hash, unless it was found at Open and loading is not
// over: what has been dropped since, or by an earlier process, is known then.
func (c *Cache) usable(s *shard, hash uint64) (slot, bool) {
	sl, ok := s.slot(hash)
	return sl, ok && (sl.epoch != 0 || c.ready())
}

// discard forgets a record that could not be used. First it is voided, so that no
// later Drop of the key need look for it; of one that is gone with its file, an older
// one may be left.
func (c *Cache) discard(s *shard, hash uint64, sl slot, err error) {
	switch {
	case errors.Is(err, errGone):
		c.disk.strays.add(hash)
		c.dropSeq(s, hash, sl.seq())
		return
	case errors.Is(err, ErrMiss), errors.Is(err, errShredded):
	case errors.Is(err, errDamaged):
		c.damaged.Add(1)
		c.log.Warn("diskcache: damaged record, treated as a miss")
	default:
		c.disk.failures.Add(1)
		c.log.Warn("diskcache: unreadable record, treated as a miss", "error", err)
	}
	if now, ok := c.peekSlot(hash); ok && now.seq() == sl.seq() {
		c.disk.voidRecord(hash, sl.seq())
	}
	c.dropSeq(s, hash, sl.seq())
}

// promote returns the record as an entry and keeps it in memory, unless the slot
// it came from is no longer the current one. Comparing the record's sequence
// number is a stricter guard than a fence: a drop removes the slot, a newer record
// replaces it, and both happen under this lock.
func (c *Cache) promote(s *shard, sl slot, key string, r *record, data View) (Entry, bool) {
	cost := int64(len(r.key)+len(r.version)+len(r.name)+len(r.blob)+data.size) + itemOverhead
	keep := c.memory.admits(cost)
	if !keep {
		return c.unkept(s, sl, r, data)
	}
	it := c.item(sl.hash, key, r, data)
	c.reserve(cost)
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.index.at(sl.hash)
	if current == nil || current.seq() != sl.seq() || !c.disk.groups.alive(r.group) {
		c.memory.unreserve(cost)
		return Entry{}, false
	}
	it.epoch.Store(uint64(current.epoch))
	c.keep(s, it)
	s.diskHits++
	return it.entry(c.clock.epoch.Load()), true
}

// unkept is promote without a place in memory.
func (c *Cache) unkept(s *shard, sl slot, r *record, data View) (Entry, bool) {
	e := Entry{Data: data, Stored: time.Unix(0, r.stored), Meta: Meta{Version: string(r.version)}}
	if len(r.name) > 0 {
		e.Group = string(r.name)
	}
	if len(r.blob) > 0 {
		e.Blob = bytes.Clone(r.blob)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.index.at(sl.hash)
	if current == nil || current.seq() != sl.seq() || !c.disk.groups.alive(r.group) {
		return Entry{}, false
	}
	e.Suspect = uint64(current.epoch) < c.clock.epoch.Load()
	s.diskHits++
	return e, true
}

// item makes what the memory tier keeps of a record. Its strings share one array,
// which is not the data's: who keeps a version must not keep a megabyte.
func (c *Cache) item(hash uint64, key string, r *record, data View) *item {
	it := &item{hash: hash, tag: c.shortcut.tag(key), data: data, stored: r.stored, expires: c.ages.expires(r.stored), seq: r.seq, group: r.group}
	var b strings.Builder
	b.Grow(len(key) + len(r.version) + len(r.name))
	b.WriteString(key)
	b.Write(r.version)
	b.Write(r.name)
	text := b.String()
	it.key = text[:len(key)]
	it.meta.Version = text[len(key):][:len(r.version)]
	it.meta.Group = text[len(key)+len(r.version):]
	if len(r.blob) > 0 {
		it.meta.Blob = bytes.Clone(r.blob)
	}
	return it
}
