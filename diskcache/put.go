package diskcache

import (
	"bytes"
	"errors"
	"strings"

	"github.com/klauspost/compress/s2"
)

// Put stores data under key, if f, captured by [Cache.Fence] before the data
// was asked for, still holds; otherwise it returns [ErrFenced] and changes
// nothing. data is shared, not copied.
//
// Any other error means that the entry is not on disk. What was cached under
// the key before is then forgotten, also by the next process if the disk takes
// one small record more: it may be what this call was to replace, and a caller
// that ignores the error must not be served the old data. After trouble with
// the disk the new entry is still served from memory.
func (c *Cache) Put(key string, data View, m Meta, f Fence) error {
	if !c.enter() {
		return ErrClosed
	}
	defer c.leave()
	hash := c.hash(key)
	err := c.put(hash, key, data, m, f)
	if errors.Is(err, ErrFenced) {
		c.fenced.Add(1)
	}
	return err
}

func (c *Cache) put(hash uint64, key string, data View, m Meta, f Fence) error {
	if !c.clock.holds(hash, f) {
		return ErrFenced // asked again below; here it saves the work
	}
	it := &item{
		key: strings.Clone(key), version: strings.Clone(m.Version), blob: bytes.Clone(m.Blob),
		data: data, stored: c.now(), epoch: f.epoch,
	}
	p, err := c.write(hash, it, m, f)
	switch {
	case err == nil:
		defer p.seg.release()
		it.seq = p.seq
		return c.commit(hash, it, f, &p)
	case errors.Is(err, ErrFenced):
		return err
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrTooLarge):
		c.void(hash, key, f)
		return err
	}
	it.seq = c.disk.seq.Add(1)
	if fenced := c.commit(hash, it, f, nil); fenced != nil {
		return fenced
	}
	// The old record is still on disk, and the trouble may have been brief,
	// or no more than a lack of room for this record: forgetting the slot
	// would not keep the next process from finding it.
	c.writeDrop(key, 0)
	return err
}

// write puts the item's record on disk.
func (c *Cache) write(hash uint64, it *item, m Meta, f Fence) (placed, error) {
	if err := checkEntry(it.key, m); err != nil {
		return placed{}, err
	}
	sc := c.disk.getScratch()
	defer c.disk.putScratch(sc)
	plain := it.data.bytes()
	sc.encoded = grow(sc.encoded, max(0, s2.MaxEncodedLen(len(plain))))
	body, codec := encode(sc.encoded, plain)
	dr := &draft{body: body, record: record{
		kind: kindEntry, codec: codec, stored: it.stored,
		size: uint64(len(plain)), encoded: uint64(len(body)),
		key: []byte(it.key), version: []byte(it.version), blob: it.blob,
	}}
	return c.disk.append(dr, func() bool { return c.clock.holds(hash, f) })
}

// commit makes the item current, if its fence holds. The check and the insert
// are one step under the shard's lock, which every revocation takes. The epoch
// needs no lock: the item carries the fence's, so one that slips in while
// Suspect is called is itself suspect.
func (c *Cache) commit(hash uint64, it *item, f Fence, p *placed) error {
	cost := it.cost()
	keep := c.memory.admits(cost)
	if keep {
		c.memory.reserve(&c.shards, cost)
	}
	s := c.shard(hash)
	s.mu.Lock()
	replaced, current, err := c.insert(s, hash, it, f, p, keep)
	s.mu.Unlock()
	if current {
		c.disk.retire(replaced)
		return nil
	}
	if keep {
		c.memory.unreserve(cost)
	}
	if p != nil {
		c.disk.retire(p.seg.number)
	}
	return err
}

// insert needs the shard's lock. It returns the file of the record that it
// replaced (files are numbered from 1), and whether the item is current now.
func (c *Cache) insert(s *shard, hash uint64, it *item, f Fence, p *placed, keep bool) (replaced uint64, current bool, err error) {
	if !c.clock.holds(hash, f) {
		return 0, false, ErrFenced
	}
	if s.newest(hash) > it.seq {
		return 0, false, nil // a Put that drew its number later was faster; the order on disk decides
	}
	replaced = s.drop(hash)
	if p != nil && p.seg.note(hash) {
		s.slots[hash] = p.slot(f.epoch, c.versionHash(it.key, it.version))
	}
	if keep {
		s.keep(hash, it)
	}
	return replaced, true, nil
}

// void forgets what is cached under key, here and after a restart, on behalf
// of a Put that could not replace it. The generation stays: nothing has been
// announced about the key.
func (c *Cache) void(hash uint64, key string, f Fence) {
	s := c.shard(hash)
	s.mu.Lock()
	if !c.clock.holds(hash, f) {
		s.mu.Unlock()
		return
	}
	file := s.drop(hash)
	s.mu.Unlock()
	// Also if there was no slot: a failed read forgets the slot and leaves
	// the record.
	c.writeDrop(key, file)
}
