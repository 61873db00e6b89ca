package diskcache

import (
	"runtime"
	"sync"
	"testing"
)

// These tests, here and in the files beside, delete the newest record of a key at the
// worst moment, and look whether an older one would be found by the next process. Other
// than in comeback_test.go and stray_test.go, no Drop follows that could void it.

func uncoverOptions() Options {
	return Options{MaxBytes: 4 << 20, MemoryBytes: -1, Keys: testKeys{}}
}

// wantGone opens what a killed process would have left: key is a miss.
func wantGone(t *testing.T, dir string, o Options, key string) {
	t.Helper()
	o.wrap = nil
	killed := open4test(t, writeFolder(t, onDisk(t, dir)), o)
	if e, err := killed.Get(key); err == nil {
		t.Errorf("version %q came back", e.Version)
	}
}

func fileOf(t *testing.T, c *Cache, key string) uint32 {
	t.Helper()
	sl, ok := c.peekSlot(c.hash(key))
	if !ok {
		t.Fatalf("%s has no slot", key)
	}
	return sl.file
}

// oldAndNew puts a version of k into a segment of its own time, and another one into the
// next.
func oldAndNew(t *testing.T, c *Cache) (older, newer uint32) {
	t.Helper()
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	older = fileOf(t, c, "k")
	closeSegment(t, c)
	mustPut(t, c, "k", NewView([]byte("new")), "new")
	return older, fileOf(t, c, "k")
}

// TestVersionsInOneSegmentUncoverNothing: of two records of a key in the segment that is
// evicted, the newer one hides what is in another one.
func TestVersionsInOneSegmentUncoverNothing(t *testing.T) {
	dir, o := newDir(t), uncoverOptions()
	c := open4test(t, dir, o)
	_, number := oldAndNew(t, c)
	mustPut(t, c, "k", NewView([]byte("newer")), "newer")
	if fileOf(t, c, "k") != number {
		t.Fatal("not as planned")
	}
	evictFile(c, number)
	wantMiss(t, c, "k")
	wantGone(t, dir, o, "k")
}

// TestEvictionThatUncoversNothingNotesNothing: of what was put once.
func TestEvictionThatUncoversNothingNotesNothing(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	evictFile(c, fileOf(t, c, "k"))
	churn(t, c, 0, 1000)
	if st := c.Stats(); st.Evicted < 10 || c.disk.drops.bytes != 0 {
		t.Errorf("%d bytes of drops, %+v", c.disk.drops.bytes, st)
	}
}

// TestEvictionDoesNotVoidWhatCameLater: a Put is under way when what it replaces goes.
func TestEvictionDoesNotVoidWhatCameLater(t *testing.T) {
	for how, remove := range removals(t) {
		dir, o := newDir(t), uncoverOptions()
		c := open4test(t, dir, o)
		number := replacedInAnotherSegment(t, c, "older")
		_, rest := halfPut(t, c, "k", "new")
		remove(c, number)
		rest()
		if c.disk.table.holds(slot{file: number}) {
			t.Fatal(how, "not as planned")
		}
		wantHit(t, open4test(t, writeFolder(t, onDisk(t, dir)), o), "k", []byte("new"))
	}
}

// removals are the ways in which a segment goes.
func removals(t *testing.T) map[string]func(c *Cache, number uint32) {
	return map[string]func(c *Cache, number uint32){
		"evicted": evictFile,
		"reclaimed": func(c *Cache, number uint32) {
			evictOthers(t, c, number)
			reclaimOne(t, c)
		},
	}
}

// halfPut does what Put does, up to the moment before the record becomes current.
func halfPut(t *testing.T, c *Cache, key, data string) (number uint32, rest func()) {
	t.Helper()
	r, f, view := c.draftOf(key), c.Fence(key), NewView([]byte(data))
	c.writing(r.hash, 1)
	r.replaces = c.onDisk(r.hash)
	r.version = []byte(data)
	p, err := c.write(r, view, f)
	if err != nil {
		t.Fatal(err)
	}
	return p.seg.number, func() {
		r.seq = p.seq
		if err := c.commit(key, r, view, f, &p); err != nil {
			t.Fatal(err)
		}
		p.seg.release()
		c.writing(r.hash, -1)
	}
}

// TestRecordDeletedBeforeItIsCurrentUncoversNothing: its Put has been suspended between
// the two, for as long as its segment lived.
func TestRecordDeletedBeforeItIsCurrentUncoversNothing(t *testing.T) {
	for how, remove := range removals(t) {
		dir, o := newDir(t), uncoverOptions()
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		mainQueued(t, c, "k")
		number, rest := halfPut(t, c, "k", "new")
		closeSegment(t, c)
		remove(c, number)
		rest()
		if c.disk.table.holds(slot{file: number}) {
			t.Fatal(how, "not as planned")
		}
		wantMiss(t, c, "k")
		wantGone(t, dir, o, "k")
	}
}

// TestCopyDeletedBeforeItIsCurrentUncoversNothing: its original is going to be deleted,
// too, and hides an older record in the main queue.
func TestCopyDeletedBeforeItIsCurrentUncoversNothing(t *testing.T) {
	var meanwhile func()
	dir, o := newDir(t), uncoverOptions()
	o.MaxBytes = 256 << 20
	o.wrap = onlySegments(func(b []byte, _ int64, write func() (int, error)) (int, error) {
		n, err := write()
		if f := meanwhile; f != nil && len(b) > 50_000 {
			meanwhile = nil
			f()
		}
		return n, err
	})
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	mainQueued(t, c, "k")
	old := c.disk.active[mainQueue]
	c.disk.gate.lock()
	c.disk.active[mainQueue] = nil
	if err := c.disk.sealSegment(old); err != nil {
		t.Error(err)
	}
	c.disk.gate.unlock()
	large := content("k", 1, 200<<10) // two chunks: the second is written without the gate
	mustPut(t, c, "k", NewView(large), "new")
	wantHit(t, c, "k", large)
	number := fileOf(t, c, "k")
	closeSegment(t, c)
	evictOthers(t, c, number)
	var first func()
	second := func() { evictFile(c, c.disk.active[mainQueue].number) }
	first = func() { meanwhile = second }
	meanwhile = first
	reclaimOne(t, c)
	if meanwhile != nil || c.disk.table.holds(slot{file: number}) || !c.disk.table.holds(slot{file: old.number}) {
		t.Fatal("not as planned")
	}
	wantMiss(t, c, "k")
	wantGone(t, dir, o, "k")
}

// TestRecordThatReplacedAnotherMeanwhileUncoversNothing: a Put found nothing to replace,
// then two others came and went, and it replaced the second of them. The first is still
// on disk; that it is void is yet to be written.
func TestRecordThatReplacedAnotherMeanwhileUncoversNothing(t *testing.T) {
	dir, o := newDir(t), uncoverOptions()
	c := open4test(t, dir, o)
	mustPut(t, c, "other", NewView([]byte("x")), "v")
	hash := c.hash("k")
	c.writing(hash, 1)
	defer c.writing(hash, -1)
	if c.onDisk(hash) {
		t.Fatal("not as planned")
	}
	_, second := oldAndNew(t, c)
	closeSegment(t, c)
	r, f, view := c.draftOf("k"), c.Fence("k"), NewView([]byte("late"))
	p, err := c.write(r, view, f)
	if err != nil {
		t.Fatal(err)
	}
	defer p.seg.release()
	r.seq = p.seq
	var wg sync.WaitGroup
	c.disk.gate.lock()
	wg.Go(func() {
		if err := c.commit("k", r, view, f, &p); err != nil {
			t.Error(err)
		}
	})
	for fileOf(t, c, "k") != p.seg.number {
		runtime.Gosched()
	}
	for _, number := range []uint32{second, p.seg.number} {
		s := c.disk.table.acquire(number)
		c.disk.evict(s)
		s.release()
	}
	wantGone(t, dir, o, "k")
	c.disk.gate.unlock()
	wg.Wait()
}

// evictOthers evicts what would be reclaimed before number in its queue.
func evictOthers(t *testing.T, c *Cache, number uint32) {
	t.Helper()
	for {
		s := c.disk.oldest(probation, nil)
		if s == nil {
			t.Fatal("not in its queue")
		}
		if s.number == number {
			return
		}
		evictFile(c, s.number)
	}
}

// mainQueued uses key until it has been moved to the main queue, whose segment stays.
func mainQueued(t *testing.T, c *Cache, key string) {
	t.Helper()
	first := fileOf(t, c, key)
	_, _ = c.Get(key)
	closeSegment(t, c)
	for fileOf(t, c, key) == first {
		reclaimOne(t, c)
	}
}

// replacedInAnotherSegment puts "k" twice, the second time as version, and returns that
// one's file. The first is in the main queue's segment, which stays.
func replacedInAnotherSegment(t *testing.T, c *Cache, version string) (number uint32) {
	t.Helper()
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	mainQueued(t, c, "k")
	mustPut(t, c, "k", NewView([]byte(version)), version)
	number = fileOf(t, c, "k")
	closeSegment(t, c)
	return number
}

// copied puts a key and moves it to the main queue, in the middle of reclaiming: the
// original is there, too.
func copied(t *testing.T, c *Cache) (original, copy uint32) {
	t.Helper()
	mustPut(t, c, "k", NewView([]byte("old")), "old")
	original = fileOf(t, c, "k")
	_, _ = c.Get("k")
	closeSegment(t, c)
	r := &c.disk.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.disk.pick() || r.victim.number != original {
		t.Fatal("not as planned")
	}
	for fileOf(t, c, "k") == original {
		c.disk.step()
	}
	if !c.disk.table.holds(slot{file: original}) {
		t.Fatal("reclaimed already")
	}
	return original, fileOf(t, c, "k")
}

// TestEvictionDoesNotVoidACopy: its original replaced another record, and goes.
func TestEvictionDoesNotVoidACopy(t *testing.T) {
	dir, o := newDir(t), uncoverOptions()
	c := open4test(t, dir, o)
	mustPut(t, c, "k", NewView([]byte("older")), "older")
	original, _ := copied(t, c)
	evictFile(c, original)
	wantHit(t, open4test(t, writeFolder(t, onDisk(t, dir)), o), "k", []byte("old"))
}

// TestOriginalOfAnEvictedCopyDoesNotComeBack: reclaiming has copied a record, and the
// copy is evicted while the original is still there; the key has no slot then. It is put
// again, or dropped. The process may have been killed and started again in between.
func TestOriginalOfAnEvictedCopyDoesNotComeBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, dropped := range []bool{false, true} {
			dir, o := newDir(t), uncoverOptions()
			c := open4test(t, dir, o)
			original, copy := copied(t, c)
			if restart {
				dir = writeFolder(t, onDisk(t, dir))
				c = open4test(t, dir, o)
			}
			evictFile(c, copy)
			if dropped {
				c.Drop("k")
			} else {
				mustPut(t, c, "k", NewView([]byte("new")), "new")
				evictFile(c, fileOf(t, c, "k"))
			}
			if !c.disk.table.holds(slot{file: original}) {
				t.Fatal("not as planned")
			}
			wantMiss(t, c, "k")
			wantGone(t, dir, o, "k")
		}
	}
}
