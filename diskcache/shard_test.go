package diskcache

import (
	"errors"
	"testing"
)

// TestKeysWithOneHashNeverSeeEachOther. Nobody can choose such keys, since the
// hash is keyed, so the test makes them: it moves what is known about one key
// to the hash of the other.
func TestKeysWithOneHashNeverSeeEachOther(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	mustPut(t, c, "a", NewView([]byte("data of a")), "v")
	from, to := c.hash("a"), c.hash("b")
	source, target := c.shard(from), c.shard(to)
	it, _ := source.lru.Peek(from)
	target.slots[to] = source.slots[from]
	c.memory.used.Add(it.cost())
	target.keep(to, it)

	wantMiss(t, c, "b") // from memory, nor from disk
	if _, ok := target.slot(to); !ok {
		t.Error("the entry of the other key was forgotten")
	}
	if c.Confirm("b", "v", c.Fence("b")) {
		t.Error("the version of another key was confirmed")
	}
	mustPut(t, c, "b", NewView([]byte("data of b")), "v")
	wantHit(t, c, "b", []byte("data of b"))
	wantHit(t, c, "a", []byte("data of a"))
}

// TestRecordWhoseSegmentIsEvictedBeforeItIsIndexed must leave no slot: nothing
// would ever remove it.
func TestRecordWhoseSegmentIsEvictedBeforeItIsIndexed(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	f := c.Fence("k")
	it := &item{key: "k", data: NewView([]byte("data")), stored: c.now(), epoch: f.epoch}
	p, err := c.write(c.hash("k"), it, Meta{}, f)
	if err != nil {
		t.Fatal(err)
	}
	c.disk.mu.Lock()
	c.disk.evictOldest(nil)
	c.disk.mu.Unlock()
	it.seq = p.seq
	if err := c.commit(c.hash("k"), it, f, &p); err != nil {
		t.Fatal(err)
	}
	p.seg.release()
	if st := c.Stats(); st.Entries != 0 || st.MemoryEntries != 1 {
		t.Errorf("%+v", st)
	}
	wantHit(t, c, "k", []byte("data"))
}

// TestSlowerPutDoesNotReplaceALaterOne: the record with the higher number wins
// on disk, so it must in memory.
func TestSlowerPutDoesNotReplaceALaterOne(t *testing.T) {
	for _, size := range []int{100, 100 << 10} {
		dir, o := newDir(t), Options{MaxBytes: 16 << 20, Keys: testKeys{}}
		c := open4test(t, dir, o)
		f := c.Fence("k")
		slow := &item{key: "k", data: NewView(content("k", 1, size)), stored: c.now(), epoch: f.epoch}
		p, err := c.write(c.hash("k"), slow, Meta{}, f)
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, c, "k", NewView(content("k", 3, 500)), "3")
		slow.seq = p.seq
		if err := c.commit(c.hash("k"), slow, f, &p); err != nil {
			t.Fatal(err)
		}
		p.seg.release()
		wantHit(t, c, "k", content("k", 3, 500))
		if st := c.Stats(); st.Segments > 1 {
			t.Error("the slow one keeps its file")
		}
		c = reopen(t, c, dir, o)
		wantHit(t, c, "k", content("k", 3, 500))
	}
}

// TestConcurrentCloseIsAMiss closes while everything is going on.
func TestConcurrentCloseIsAMiss(t *testing.T) {
	for range 20 {
		c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: 50 << 10})
		done := make(chan error)
		for range 3 {
			go func() {
				for {
					key := "k"
					if err := c.Put(key, NewView(content(key, 1, 3000)), Meta{}, c.Fence(key)); err != nil && !errors.Is(err, ErrFenced) {
						done <- err
						return
					}
					if e, err := c.Get(key); err == nil && !is(e, content(key, 1, 3000)) {
						done <- errors.New("wrong bytes")
						return
					}
					c.Drop(key)
				}
			}()
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for range 3 {
			if err := <-done; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
	}
}
