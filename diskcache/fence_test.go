package diskcache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func TestFenceDiesWithEveryRevocation(t *testing.T) {
	for name, tc := range map[string]struct {
		revoke func(c *Cache)
		stays  bool // the entry that was there
	}{
		"Drop":    {func(c *Cache) { c.Drop("k") }, false},
		"Revoke":  {func(c *Cache) { c.Revoke("k") }, true},
		"DropAll": {func(c *Cache) { c.DropAll() }, false},
		"Suspect": {func(c *Cache) { c.Suspect() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := open4test(t, newDir(t), Options{})
			mustPut(t, c, "k", NewView([]byte("old")), "old")
			f := c.Fence("k")
			tc.revoke(c)
			if err := c.Put("k", NewView([]byte("new")), Meta{Version: "new"}, f); !errors.Is(err, ErrFenced) {
				t.Fatalf("Put with a dead fence: %v", err)
			}
			if c.Confirm("k", "old", f) {
				t.Error("Confirm with a dead fence")
			}
			if tc.stays {
				wantHit(t, c, "k", []byte("old"))
			} else {
				wantMiss(t, c, "k")
			}
			mustPut(t, c, "k", NewView([]byte("new")), "new")
			wantHit(t, c, "k", []byte("new"))
		})
	}
}

func TestZeroFenceAndForeignFenceInsertNothing(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	if err := c.Put("k", View{}, Meta{}, Fence{}); !errors.Is(err, ErrFenced) {
		t.Error("the zero fence held")
	}
	if err := c.Put("k", View{}, Meta{}, c.Fence("another key")); !errors.Is(err, ErrFenced) {
		t.Error("the fence of another key held")
	}
	if before, after := c.Fence("k"), c.Fence("k"); before != after {
		t.Error("the fence moved by itself")
	}
	if st := c.Stats(); st.Fenced != 2 || st.Entries != 0 {
		t.Errorf("%+v", st)
	}
}

// TestRecordOfADeadFenceIsNotWritten: it would have a higher sequence number
// than the drop that killed the fence, and come back after a restart.
func TestRecordOfADeadFenceIsNotWritten(t *testing.T) {
	dir, o := newDir(t), Options{Keys: testKeys{}}
	c := open4test(t, dir, o)
	f := c.Fence("k")
	c.Drop("k")
	if _, err := c.write(c.draftOf("k"), NewView([]byte("old")), f); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	c = reopen(t, c, dir, o)
	wantMiss(t, c, "k")
}

// TestSlowReadDoesNotPromoteWhatWasDropped holds a read between the disk and
// the memory tier.
func TestSlowReadDoesNotPromoteWhatWasDropped(t *testing.T) {
	for name, change := range map[string]func(c *Cache){
		"Drop":    func(c *Cache) { c.Drop("k") },
		"DropAll": func(c *Cache) { c.DropAll() },
		"Put":     func(c *Cache) { mustPut(t, c, "k", NewView([]byte("new")), "new") },
	} {
		dir, o := newDir(t), Options{Keys: testKeys{}}
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		c = reopen(t, c, dir, o) // so that it is on disk only
		hash := c.hash("k")
		s := c.shard(hash)
		sl, ok := s.slot(hash)
		if !ok {
			t.Fatal("no slot")
		}
		r, data, err := c.disk.read(sl, "k", c.disk.getScratch())
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		used := c.Stats().MemoryBytes
		if e, ok := c.promote(s, sl, "k", &r, data); ok {
			t.Errorf("after %s, the read returned %v", name, e)
		}
		if c.Stats().MemoryBytes != used {
			t.Error("its reservation was not given back")
		}
		if e, err := c.Get("k"); err == nil && is(e, []byte("old")) {
			t.Errorf("%s was undone by a slow read", name)
		}
	}
}

// TestFenceThatDiesWhileTheRecordIsWritten moves it between the two checks.
func TestFenceThatDiesWhileTheRecordIsWritten(t *testing.T) {
	for _, size := range []int{100, 10 << 10, 200 << 10} { // the last in a file of its own
		for name, revoke := range map[string]func(c *Cache){
			"Drop":    func(c *Cache) { c.Drop("k") },
			"Revoke":  func(c *Cache) { c.Revoke("k") },
			"Suspect": func(c *Cache) { c.Suspect() },
			"DropAll": func(c *Cache) { c.DropAll() },
		} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				dir, o := newDir(t), Options{MaxBytes: 16 << 20, Keys: testKeys{}}
				c := open4test(t, dir, o)
				f := c.Fence("k")
				r, data := c.draftOf("k"), NewView(noise(size))
				p, err := c.write(r, data, f)
				if err != nil {
					t.Fatal(err)
				}
				revoke(c)
				r.seq = p.seq
				err = c.commit("k", r, data, f, &p)
				p.seg.release()
				if !errors.Is(err, ErrFenced) {
					t.Fatal(err)
				}
				wantMiss(t, c, "k")
				if st := c.Stats(); st.MemoryBytes != 0 {
					t.Error("its reservation was not given back")
				}
				c = reopen(t, c, dir, o)
				if name == "Drop" || name == "DropAll" {
					wantMiss(t, c, "k") // also after a restart, though its record was complete
				} else if e, err := c.Get("k"); err == nil && !e.Suspect {
					t.Error("a fenced record is believed after a restart")
				}
			})
		}
	}
}

// TestFillThatRacesWithADropIsNeverSeenAfterIt plays a store: readers fill the
// cache from a source, a writer changes the source and then drops. When a drop
// has returned, nobody may see what was there before.
func TestFillThatRacesWithADropIsNeverSeenAfterIt(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{-1, 64 << 10, 0} {
		t.Run(fmt.Sprint("memory", memory), func(t *testing.T) {
			c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: memory})
			const keys = 4
			var source, settled [keys]atomic.Int64
			var stop atomic.Bool
			var wg, readers sync.WaitGroup
			name := func(k int) string { return fmt.Sprint("key", k) }
			for r := range 4 {
				readers.Add(1)
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(1, uint64(r)))
					for i := 0; !stop.Load(); i++ {
						k := rng.IntN(keys)
						readOrFill(t, c, name(k), &source[k], &settled[k], rng.IntN(8000))
						if i == 50 {
							readers.Done()
						}
					}
				})
			}
			readers.Wait()
			rng := rand.New(rand.NewPCG(2, 2))
			for range 1500 {
				k := rng.IntN(keys)
				n := source[k].Add(1)
				switch rng.IntN(20) {
				case 0:
					c.DropAll()
				default:
					c.Drop(name(k))
				}
				settled[k].Store(n)
			}
			stop.Store(true)
			wg.Wait()
			if st := c.Stats(); st.Damaged+st.DiskErrors > 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// readOrFill is one Get of a store, and the check.
func readOrFill(t *testing.T, c *Cache, key string, source, settled *atomic.Int64, size int) {
	atLeast := settled.Load()
	e, err := c.Get(key)
	if err == nil {
		var n int64
		if _, err := fmt.Sscan(e.Version, &n); err != nil || n < atLeast {
			t.Errorf("read version %s after version %d had settled", e.Version, atLeast)
		}
		if !is(e, content(key, int(n), e.Data.Len())) {
			t.Error("wrong bytes")
		}
		return
	}
	f := c.Fence(key)
	n := source.Load()
	err = c.Put(key, NewView(content(key, int(n), size)), Meta{Version: fmt.Sprint(n)}, f)
	if err != nil && !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
}

// TestSuspectIsNeverForgotten: what was asked for before Suspect must not be
// found unsuspicious after it.
func TestSuspectIsNeverForgotten(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: 64 << 10})
	var epoch atomic.Int64 // moves before Suspect is called; settled after
	var settled atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for r := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(r)))
			for !stop.Load() {
				key := fmt.Sprint("key", rng.IntN(4))
				atLeast := settled.Load()
				if e, err := c.Get(key); err == nil && !e.Suspect {
					var n int64
					if _, err := fmt.Sscan(e.Version, &n); err != nil || n < atLeast {
						t.Errorf("version of epoch %s is believed in epoch %d", e.Version, atLeast)
					}
					continue
				}
				f := c.Fence(key)
				n := epoch.Load()
				if err := c.Put(key, NewView(content(key, int(n), 500)), Meta{Version: fmt.Sprint(n)}, f); err != nil && !errors.Is(err, ErrFenced) {
					t.Error(err)
				}
			}
		})
	}
	for range 3000 {
		n := epoch.Add(1)
		c.Suspect()
		settled.Store(n)
	}
	stop.Store(true)
	wg.Wait()
}

func TestConfirmBelievesOneVersionOnly(t *testing.T) {
	for _, memory := range []int64{0, -1} {
		dir, o := newDir(t), Options{Keys: testKeys{}, MemoryBytes: memory}
		c := open4test(t, dir, o)
		mustPut(t, c, "k", NewView([]byte("data")), "v1")
		c.Suspect()
		if !wantHit(t, c, "k", []byte("data")).Suspect {
			t.Fatal("not suspect")
		}
		if c.Confirm("k", "v2", c.Fence("k")) || c.Confirm("other", "v1", c.Fence("other")) {
			t.Error("confirmed another version, or another key")
		}
		if !c.Confirm("k", "v1", c.Fence("k")) || wantHit(t, c, "k", []byte("data")).Suspect {
			t.Error("not confirmed")
		}
		c.Suspect()
		if !wantHit(t, c, "k", []byte("data")).Suspect {
			t.Error("a confirmation outlived the next epoch")
		}
		c = reopen(t, c, dir, o)
		if !c.Confirm("k", "v1", c.Fence("k")) || wantHit(t, c, "k", []byte("data")).Suspect {
			t.Error("not confirmed after a restart")
		}
	}
}
