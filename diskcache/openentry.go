package diskcache

// Open returns a Reader of the entry of key, or [ErrMiss]; like [Cache.Get], it
// never returns another error. It is for large entries and for ranges. Of an entry
// that is not in memory, what is read at once is its metadata and first chunk. One
// that consists of that chunk alone is kept in memory as by Get; a larger one is
// not, lest one download push out what many ask for.
//
// An entry that is Suspect must be confirmed before its data are used. Its age is
// looked at by Open only.
func (c *Cache) Open(key string) (*Reader, error) {
	seed := c.seed.Load() // before the hash: a Shred in between makes a miss
	hash := c.hash(key)
	s := c.shard(hash)
	if it := s.ram.find(hash, key); it != nil && c.hit(it) {
		c.memoryHits.add()
		return c.reader(hash, seed, it.group, it.entry(c.clock.epoch.Load())), nil
	}
	return c.openOnDisk(s, hash, key)
}

// reader returns one of what is in memory.
func (c *Cache) reader(hash uint64, seed *hashSeed, g groupID, e Entry) *Reader {
	return &Reader{
		cache: c, hash: hash, seed: seed, group: g, data: e.Data,
		info: Info{Meta: e.Meta, Size: int64(e.Data.Len()), Stored: e.Stored, Suspect: e.Suspect},
	}
}

// openOnDisk is fromDisk, but that it does not read all of a record.
func (c *Cache) openOnDisk(s *shard, hash uint64, key string) (*Reader, error) {
	if c.shredding.Load() {
		return nil, ErrMiss
	}
	if !c.enter() {
		return nil, ErrClosed
	}
	defer c.leave()
	sc := c.disk.getScratch()
	defer c.disk.putScratch(sc)
	for range 4 {
		sl, ok := c.usable(s, hash)
		if !ok {
			break
		}
		r, err := c.openSlot(s, sl, key, sc)
		if r != nil {
			return r, nil
		}
		if err != nil && c.unusable(s, hash, sl, err) {
			break
		}
	}
	s.missed()
	return nil, ErrMiss
}

// openSlot returns neither a Reader nor an error if the slot is no longer current.
func (c *Cache) openSlot(s *shard, sl slot, key string, sc *scratch) (*Reader, error) {
	r, o, l, err := c.disk.look(sl, key, sc)
	if err != nil {
		return nil, err
	}
	if c.ages.expired(r.stored, c.ages.now()) {
		c.expired.Add(1)
		return nil, ErrMiss
	}
	var e Entry
	ok := false
	if l == nil {
		e, ok = c.promote(s, sl, key, &r, o)
	} else {
		e, ok = c.unkept(s, sl, &r, View{})
	}
	if !ok {
		return nil, nil
	}
	found := c.reader(sl.hash, c.seed.Load(), r.group, e)
	if l != nil {
		found.info.Size = int64(r.size)
		found.record.Store(l)
	}
	return found, nil
}

// look reads the beginning of a record: all of it if that is one chunk, else what
// finds the others.
func (d *disk) look(sl slot, key string, sc *scratch) (r record, v View, l *located, err error) {
	if err := d.breaker.enter(); err != nil {
		return record{}, View{}, nil, err
	}
	defer func() { d.breaker.exit(reading, deviceError(err)) }()
	o, err := d.open(sl, sc)
	if err != nil {
		return record{}, View{}, nil, err
	}
	defer o.seg.release()
	if string(o.key) != key {
		return record{}, View{}, nil, errOtherKey
	}
	if o.chunks() > 1 || o.apart {
		return o.record, View{}, o.locate(sl), nil
	}
	v, err = o.body(sc)
	return o.record, v, nil, err
}
