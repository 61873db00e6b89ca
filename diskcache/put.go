package diskcache

import (
	"errors"
)

// Put stores data under key, if f, captured by [Cache.Fence] before the data
// was asked for, still holds; otherwise it returns [ErrFenced] and changes
// nothing. data is shared, not copied.
//
// [ErrFenced] is also the answer if only m's group has been shredded since, or its
// secret has had to make room for other groups'. Then, as after any other error, what
// was cached is forgotten.
//
// Any other error means that the entry is not on disk. What was cached under
// the key before is then forgotten, also by the next process if the disk takes
// one small record more: it may be what this call was to replace, and a caller
// that ignores the error must not be served the old data. After trouble with
// the disk the new entry is still served from memory.
func (c *Cache) Put(key string, data View, m Meta, f Fence) error {
	if c.shredding.Load() {
		return ErrFenced // as it will be in a moment
	}
	if !c.enter() {
		return ErrClosed
	}
	defer c.leave()
	hash := c.hash(key)
	return c.counted(hash, func() error { return c.put(hash, key, data, m, f) })
}

// counted calls what may put a record of that hash on disk.
func (c *Cache) counted(hash uint64, put func() error) error {
	c.writing(hash, 1)
	err := put()
	c.writing(hash, -1)
	if errors.Is(err, ErrFenced) {
		c.fenced.Add(1)
	}
	return err
}

func (c *Cache) put(hash uint64, key string, data View, m Meta, f Fence) error {
	if !c.clock.holds(hash, f) {
		return ErrFenced // asked again below; here it saves the work
	}
	if err := checkEntry(key, m); err != nil {
		c.void(hash, f)
		return err
	}
	r := record{
		hash: hash, stored: c.ages.now(), group: c.group(m.Group), replaces: c.onDisk(hash),
		key: []byte(key), version: []byte(m.Version), name: []byte(m.Group), blob: m.Blob,
	}
	p, err := c.write(&r, data, f)
	switch {
	case err == nil:
		defer p.seg.release()
		r.seq = p.seq
		if err = c.commit(key, &r, data, f, &p); err != nil {
			c.void(hash, f)
		}
		return err
	case errors.Is(err, ErrClosed):
		return err
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrFenced): // see void
		c.void(hash, f)
		return err
	}
	r.seq = c.disk.seq.Add(1)
	if fenced := c.commit(key, &r, data, f, nil); fenced != nil {
		c.void(hash, f)
		return fenced
	}
	return err
}

func (c *Cache) group(name string) groupID {
	if name == "" {
		return groupID{}
	}
	return c.disk.groups.of(c.groupHash(name))
}

// onDisk reports whether an older record of the hash may be on disk.
func (c *Cache) onDisk(hash uint64) bool {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.at(hash) != nil || c.mayBeOnDisk(hash, 0, 1)
}

// write puts a record on disk.
func (c *Cache) write(r *record, data View, f Fence) (placed, error) {
	d := c.disk
	sc := d.getScratch()
	defer d.putScratch(sc)
	dr := &draft{record: *r}
	dr.body = encode(&dr.record, data.bytes(), sc)
	dr.queue = d.policy.admit(r.hash, int(c.entries.Load()))
	if c.ready() {
		n := dr.header().total()
		d.tend(n)
		defer d.tended(n)
	}
	return d.append(dr, c.allowed(r, f))
}

// allowed returns what the disk asks before it gives a record its number.
func (c *Cache) allowed(r *record, f Fence) func() bool {
	return func() bool {
		return c.clock.holds(r.hash, f) && c.clock.allows(r.group, f) && c.disk.groups.alive(r.group)
	}
}

// commit makes the record current, if its fence holds. The check and the insert
// are one step under the shard's lock, which every revocation takes. The epoch
// needs no lock: the item carries the fence's, so one that slips in while
// Suspect is called is itself suspect.
func (c *Cache) commit(key string, r *record, data View, f Fence, p *placed) error {
	it := c.item(r.hash, key, r, data)
	return c.commitItem(it, f, p, c.memory.admits(it.cost()))
}

// commitItem is commit; keep says whether in memory, too.
func (c *Cache) commitItem(it *item, f Fence, p *placed, keep bool) error {
	it.epoch.Store(f.epoch)
	cost := it.cost()
	if keep {
		c.reserve(cost)
	}
	s := c.shard(it.hash)
	s.mu.Lock()
	replaced, current, err := c.insert(s, it, f, p, keep)
	s.mu.Unlock()
	switch {
	case current && p != nil:
		if replaced != 0 && !p.replaces { // by another Put that began and ended meanwhile
			c.disk.voidRecord(it.hash, it.seq-1)
		}
		c.disk.retire(replaced)
		return nil
	case current && c.mayBeOnDisk(it.hash, replaced, 1):
		// The old record is still on disk, and the trouble may have been brief,
		// or no more than a lack of room for this record: forgetting the slot
		// would not keep the next process from finding it.
		c.writeDrop(it.hash, replaced)
	case p != nil:
		// Its record is complete: were the key dropped later, that Drop would
		// find nothing to void.
		c.disk.voidRecord(it.hash, p.seq)
		c.disk.retire(p.seg.number)
	}
	if !current && keep {
		c.memory.unreserve(cost)
	}
	return err
}

// insert needs the shard's lock. It returns the file of the record that it
// replaced (files are numbered from 1), and whether the item is current now.
func (c *Cache) insert(s *shard, it *item, f Fence, p *placed, keep bool) (replaced uint32, current bool, err error) {
	if !c.clock.holds(it.hash, f) || !c.clock.allows(it.group, f) || !c.disk.groups.alive(it.group) {
		return 0, false, ErrFenced
	}
	if s.newest(it.hash) > it.seq {
		return 0, false, nil // a Put that drew its number later was faster; the order on disk decides
	}
	replaced = c.drop(s, it.hash)
	if p != nil {
		c.setSlot(s, p.slot(it.hash, f.epoch))
	}
	if keep {
		c.keep(s, it)
	}
	return replaced, true, nil
}

// void forgets what is cached under key, here and after a restart, on behalf
// of a Put that could not replace it. The generation stays: nothing has been
// announced about the key. If the key's fence has moved, whoever moved it sees to
// that; but a Put may also be refused for its group alone.
func (c *Cache) void(hash uint64, f Fence) {
	s := c.shard(hash)
	s.mu.Lock()
	if !c.clock.holds(hash, f) {
		s.mu.Unlock()
		return
	}
	file := c.drop(s, hash)
	s.mu.Unlock()
	if c.mayBeOnDisk(hash, file, 1) {
		c.writeDrop(hash, file)
	}
}
