package diskcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func putGroup(t testing.TB, c *Cache, key, group string, data []byte) {
	t.Helper()
	if err := c.Put(key, NewView(data), Meta{Version: "v", Group: group}, c.Fence(key)); err != nil {
		t.Fatal(err)
	}
}

// TestShreddedGroupIsGone from memory, from disk and after a restart; other groups
// and entries of none stay.
func TestShreddedGroupIsGone(t *testing.T) {
	for _, memory := range []int64{0, -1} {
		dir, o := newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: memory, Keys: testKeys{}}
		c := open4test(t, dir, o)
		key := func(group string, i int) string { return fmt.Sprint(group, "/", i) }
		groups := []string{"", "patient 1", "patient 2"}
		for _, g := range groups {
			for i, size := range []int{0, 100, 5000, 200 << 10, 2 << 20} { // the last two in several chunks, and a file
				putGroup(t, c, key(g, i), g, content(key(g, i), 2*i+1, size))
			}
		}
		check := func(suspect bool) {
			t.Helper()
			for _, g := range groups {
				for i, size := range []int{0, 100, 5000, 200 << 10, 2 << 20} {
					if g == "patient 1" {
						wantMiss(t, c, key(g, i))
						continue
					}
					if e := wantHit(t, c, key(g, i), content(key(g, i), 2*i+1, size)); e.Group != g || e.Suspect != suspect {
						t.Errorf("%q: group %q, suspect %v", key(g, i), e.Group, e.Suspect)
					}
				}
			}
		}
		e := wantHit(t, c, key("patient 1", 2), content(key("patient 1", 2), 5, 5000))
		if err := c.ShredGroup(t.Context(), "patient 1"); err != nil {
			t.Fatal(err)
		}
		if e.Data.Len() != 5000 || !is(e, content(key("patient 1", 2), 5, 5000)) {
			t.Error("a view in use was changed")
		}
		check(false)
		if st := c.Stats(); st.Damaged != 0 || st.Groups != 1 {
			t.Errorf("%+v", st)
		}
		c = reopen(t, c, dir, o)
		check(true)
		for range c.All() {
		}
		// The same names, with another secret.
		putGroup(t, c, key("patient 1", 1), "patient 1", []byte("new"))
		wantHit(t, c, key("patient 1", 1), []byte("new"))
		wantMiss(t, c, key("patient 1", 2))
		c = reopen(t, c, dir, o)
		wantHit(t, c, key("patient 1", 1), []byte("new"))
		wantMiss(t, c, key("patient 1", 2))
	}
}

// TestShreddedSecretIsInNoFile: with the cache key in hand, whoever has the folder
// as it is afterwards cannot open the group's records. With the table of secrets as
// it was before, he can, and the documentation says so.
func TestShreddedSecretIsInNoFile(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	putGroup(t, c, "k", "g", []byte("data"))
	id := c.group("g")
	secret, _ := c.disk.groups.secret(id)
	before := onDisk(t, dir)
	if err := c.ShredGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.disk.groups.secret(id); ok {
		t.Error("the secret is still in memory")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	after := onDisk(t, dir)
	if bytes.Equal(before[groupsName], after[groupsName]) {
		t.Error("the table was not written anew")
	}
	for name, data := range after {
		if bytes.Contains(data, secret[:]) {
			t.Error("the secret is in", name)
		}
	}
	wantMiss(t, open4test(t, writeFolder(t, after), o), "k")
	wantHit(t, open4test(t, writeFolder(t, with(after, groupsName, before[groupsName])), o), "k", []byte("data"))
}

// TestFenceCapturedBeforeShreddingInsertsNothing of that group.
func TestFenceCapturedBeforeShreddingInsertsNothing(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	putGroup(t, c, "before", "g", []byte("x"))
	f, other := c.Fence("k"), c.Fence("other")
	if err := c.ShredGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	if err := c.Put("k", NewView([]byte("old")), Meta{Group: "g"}, f); !errors.Is(err, ErrFenced) {
		t.Fatal(err)
	}
	wantMiss(t, c, "k")
	if err := c.Put("other", NewView([]byte("x")), Meta{Group: "another"}, other); err != nil {
		t.Error("the fence of another group died:", err)
	}
	if err := c.Put("k", NewView([]byte("x")), Meta{}, f); err != nil {
		t.Error("the fence of an entry of no group died:", err)
	}
	putGroup(t, c, "k", "g", []byte("new"))
	wantHit(t, c, "k", []byte("new"))
	// A group that was never stored can be shredded, and its fences die too.
	f = c.Fence("k")
	if err := c.ShredGroup(t.Context(), "unknown"); err != nil {
		t.Fatal(err)
	}
	if err := c.Put("k", View{}, Meta{Group: "unknown"}, f); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
}

// TestGroupShreddedBetweenTheStepsOfAPut: the record is on disk, sealed under the
// old secret, and must not become current.
func TestGroupShreddedBetweenTheStepsOfAPut(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	f := c.Fence("k")
	r, data := c.draftOf("k"), NewView([]byte("data"))
	r.group, r.name = c.group("g"), []byte("g")
	p, err := c.write(r, data, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ShredGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	r.seq = p.seq
	if err := c.commit("k", r, data, f, &p); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	p.seg.release()
	wantMiss(t, c, "k")
	if _, err := c.write(r, data, c.Fence("k")); !errors.Is(err, ErrFenced) {
		t.Error("sealed under a destroyed secret:", err)
	}
}

// TestShreddingRacesWithPutsAndGets: what was stored before a shred began is never
// served after it has returned.
func TestShreddingRacesWithPutsAndGets(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{-1, 64 << 10} {
		c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: memory, Keys: testKeys{}})
		var began, settled atomic.Int64
		var stop atomic.Bool
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for i := 0; !stop.Load(); i++ {
					key := fmt.Sprint("key", (i+w)%4)
					atLeast := settled.Load()
					if e, err := c.Get(key); err == nil {
						var n int64
						if _, err := fmt.Sscan(e.Version, &n); err != nil || n < atLeast {
							t.Errorf("read what was stored before shred %d, in shred %s", atLeast, e.Version)
						}
						continue
					}
					f := c.Fence(key)
					n := began.Load()
					err := c.Put(key, NewView(content(key, int(n), 3000)), Meta{Version: fmt.Sprint(n), Group: "g"}, f)
					if err != nil && !errors.Is(err, ErrFenced) {
						t.Error(err)
					}
				}
			})
		}
		for range 150 {
			n := began.Add(1)
			if err := c.ShredGroup(t.Context(), "g"); err != nil {
				t.Error(err)
			}
			settled.Store(n)
		}
		stop.Store(true)
		wg.Wait()
		if st := c.Stats(); st.Damaged+st.DiskErrors > 0 {
			t.Errorf("%+v", st)
		}
	}
}

func TestShredMakesEverythingUnreadable(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 16 << 20, Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 50 {
		putGroup(t, c, fmt.Sprint(i), fmt.Sprint("g", i%3), content("k", i, i*3000))
	}
	c.Drop("7")
	f := c.Fence("0")
	old, before := *c.disk.key, onDisk(t, dir)
	if err := c.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		wantMiss(t, c, fmt.Sprint(i))
	}
	if err := c.Put("0", View{}, Meta{}, f); !errors.Is(err, ErrFenced) {
		t.Error("an old fence held:", err)
	}
	if *c.disk.key == old || len(onDisk(t, dir)) > 5 {
		t.Error("the old key, or files under it, are left:", len(onDisk(t, dir)))
	}
	putGroup(t, c, "new", "g1", []byte("x"))
	c = reopen(t, c, dir, o)
	wantHit(t, c, "new", []byte("x"))
	if st := c.Stats(); st.Entries != 1 {
		t.Errorf("%+v", st)
	}
	// Old segments put back beside the new key are noise.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range before {
		if name == keyName || name == lockName || name == markerName {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c = open4test(t, dir, o)
	for i := range 50 {
		wantMiss(t, c, fmt.Sprint(i))
	}
}

func TestShredIsRefusedWhereItCannotBeDone(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	for _, group := range []string{"", string(make([]byte, maxGroup+1))} {
		if err := c.ShredGroup(t.Context(), group); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
	if err := c.Put("k", View{}, Meta{Group: string(make([]byte, maxGroup+1))}, c.Fence("k")); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.ShredGroup(ctx, "g"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := c.Shred(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.Close()
	if err := c.ShredGroup(t.Context(), "g"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := c.Shred(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestManyGroupsTakeBoundedMemory, and come back after a restart.
func TestManyGroupsTakeBoundedMemory(t *testing.T) {
	const count = 100_000
	dir, o := newDir(t), Options{Keys: testKeys{}, MemoryBytes: -1}
	c := open4test(t, dir, o)
	before := heap()
	for i := range count {
		c.group(fmt.Sprint("patient ", i))
	}
	perGroup := float64(heap()-before) / count
	t.Logf("%.0f bytes a group", perGroup)
	if perGroup > 150 {
		t.Errorf("%.0f bytes a group", perGroup)
	}
	putGroup(t, c, "k", "patient 17", []byte("x"))
	if err := c.ShredGroup(t.Context(), "patient 18"); err != nil {
		t.Fatal(err)
	}
	c = reopen(t, c, dir, o)
	if st := c.Stats(); st.Groups != count-1 {
		t.Errorf("%+v", st)
	}
	wantHit(t, c, "k", []byte("x"))
	c.disk.groups.most = count
	for i := range 1000 {
		c.group(fmt.Sprint("newcomer ", i))
	}
	putGroup(t, c, "other", "one more", []byte("y"))
	if st := c.Stats(); st.Groups > count+pageGroups {
		t.Errorf("%+v", st)
	}
	wantHit(t, c, "other", []byte("y"))
}

func TestReaderOfWhatIsInMemoryEndsWithShred(t *testing.T) {
	c := open4test(t, newDir(t), Options{Keys: testKeys{}})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	r, err := c.Open("k")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := r.ReadAt(make([]byte, 1), 0); n > 0 || err == nil {
		t.Error("a shredded byte is read")
	}
}
