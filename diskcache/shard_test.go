package diskcache

import (
	"errors"
	"testing"
)

// TestKeysWithOneHashNeverSeeEachOther. Nobody can choose such keys, since the
// hash is keyed, so the test replaces it by one that knows two hashes only.
func TestKeysWithOneHashNeverSeeEachOther(t *testing.T) {
	for _, memory := range []int64{0, -1} {
		dir := newDir(t)
		o := Options{MemoryBytes: memory, Keys: testKeys{}, hash: func(key string) uint64 { return uint64(len(key)) << 40 }}
		c := open4test(t, dir, o)
		mustPut(t, c, "a", NewView([]byte("data of a")), "v")
		mustPut(t, c, "other", NewView([]byte("data of other")), "v")
		wantMiss(t, c, "b")
		if c.Confirm("b", "v", c.Fence("b")) {
			t.Error("the version of another key was confirmed")
		}
		wantHit(t, c, "a", []byte("data of a")) // asking for b did not cost a its entry
		mustPut(t, c, "b", NewView([]byte("data of b")), "v")
		wantHit(t, c, "b", []byte("data of b"))
		wantMiss(t, c, "a")
		c = reopen(t, c, dir, o)
		wantHit(t, c, "b", []byte("data of b"))
		wantMiss(t, c, "a")
		c.Drop("a") // costs b its entry, and that is all
		wantMiss(t, c, "b")
		wantHit(t, c, "other", []byte("data of other"))
	}
}

// TestRecordWhoseSegmentIsEvictedBeforeItIsIndexed leaves a slot that leads nowhere:
// a miss, which removes it.
func TestRecordWhoseSegmentIsEvictedBeforeItIsIndexed(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	f := c.Fence("k")
	r, data := c.draftOf("k"), NewView([]byte("data"))
	p, err := c.write(r, data, f)
	if err != nil {
		t.Fatal(err)
	}
	c.disk.gate.lock()
	c.disk.evictNow(nil)
	c.disk.gate.unlock()
	r.seq = p.seq
	if err := c.commit("k", r, data, f, &p); err != nil {
		t.Fatal(err)
	}
	p.seg.release()
	wantHit(t, c, "k", []byte("data")) // from memory
	c.clear()
	wantMiss(t, c, "k")
	if st := c.Stats(); st.Entries != 0 || st.Damaged != 0 {
		t.Errorf("%+v", st)
	}
}

// TestSlowerPutDoesNotReplaceALaterOne: the record with the higher number wins
// on disk, so it must in memory.
func TestSlowerPutDoesNotReplaceALaterOne(t *testing.T) {
	for _, size := range []int{100, 100 << 10} {
		dir, o := newDir(t), Options{MaxBytes: 16 << 20, Keys: testKeys{}}
		c := open4test(t, dir, o)
		f := c.Fence("k")
		slow, data := c.draftOf("k"), NewView(content("k", 1, size))
		p, err := c.write(slow, data, f)
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, c, "k", NewView(content("k", 3, 500)), "3")
		slow.seq = p.seq
		if err := c.commit("k", slow, data, f, &p); err != nil {
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
