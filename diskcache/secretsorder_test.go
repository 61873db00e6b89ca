package diskcache

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"
)

// eventually waits for what another goroutine does. The deadline is for one that never
// does it.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// TestGroupDestroyedWhileItsPageIsWrittenIsOwedAgain: what is paid after the page has been
// read from memory would strike out the debt of a group destroyed in between, and its
// secret would stay in the file.
func TestGroupDestroyedWhileItsPageIsWrittenIsOwedAgain(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	putGroup(t, c, "k", "g", []byte("x"))
	g, s := &c.disk.groups, &c.disk.groups.secrets
	owed := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, ok := s.owed[0]
		return ok
	}
	s.owe(0)
	g.mu.Lock() // the page cannot be read from memory
	put := make(chan struct{})
	go func() {
		defer close(put)
		s.write(g, 0)
	}()
	written := sync.OnceFunc(func() { g.mu.Unlock(); <-put })
	defer written()
	eventually(t, "the page is still owed when it is read from memory", func() bool { return !owed() })
	written()
	mustShredGroup(t, c, "g")
	wantMiss(t, reopen(t, c, dir, o), "k")
}

// TestKeysDerivedFromAShreddedSecretAreForgotten: with one of them, the group's entries in
// that segment could be opened.
func TestKeysDerivedFromAShreddedSecretAreForgotten(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}})
	putGroup(t, c, "k", "shredded", []byte("x"))
	putGroup(t, c, "l", "stays", []byte("x"))
	mustShredGroup(t, c, "shredded")
	g := &c.disk.groups
	for _, name := range g.seals.Keys() {
		if name.group.hash != c.groupHash("stays") {
			t.Error("a key of the shredded group is in memory")
		}
	}
	if g.seals.Len() != 1 {
		t.Errorf("%d keys", g.seals.Len())
	}
}

// TestSecretIsDestroyedBeforeMemoryIsSwept: were it the other way round, a Get in between
// would bring an entry from disk into a shard that has been swept, and there it would stay.
func TestSecretIsDestroyedBeforeMemoryIsSwept(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20, Keys: testKeys{}})
	putGroup(t, c, "k", "g", []byte("x"))
	id := c.group("g")
	s := &c.shards[0]
	s.mu.Lock() // the sweep comes no further
	done := make(chan error, 1)
	go func() { done <- c.ShredGroup(t.Context(), "g") }()
	defer func() {
		s.mu.Unlock()
		if err := <-done; err != nil {
			t.Error(err)
		}
		wantMiss(t, c, "k")
	}()
	eventually(t, "memory is swept first", func() bool { return !c.disk.groups.alive(id) })
}

// TestSecretInTwoPlacesIsErasedFromBoth: a power failure can leave a group in its old place
// beside the new one, on another page.
func TestSecretInTwoPlacesIsErasedFromBoth(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	putGroup(t, c, "k", "g", []byte("x"))
	hash := c.groupHash("g")
	for i := range pageGroups {
		c.group(fmt.Sprint(i))
	}
	g := &c.disk.groups
	g.mu.Lock()
	k, place := g.keys[hash], uint32(len(g.holds))
	k.place = place
	g.keys[hash] = k
	g.holds = append(g.holds, hash)
	g.mu.Unlock()
	g.secrets.write(g, place/pageGroups) // and not the page of the old place
	c = reopen(t, c, dir, o)
	wantHit(t, c, "k", []byte("x"))
	mustShredGroup(t, c, "g")
	wantMiss(t, reopen(t, c, dir, o), "k")
}

// TestPageOfSecretsIsBoundToItsPlace, so that pages cannot be exchanged.
func TestPageOfSecretsIsBoundToItsPlace(t *testing.T) {
	dir, o := newDir(t), Options{MaxBytes: 1 << 20, MemoryBytes: -1, Keys: testKeys{}}
	c := open4test(t, dir, o)
	for i := range 2 * pageGroups {
		c.group(fmt.Sprint(i))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	files := onDisk(t, dir)
	b := files[groupsName]
	first, second := b[pageBytes:2*pageBytes], b[2*pageBytes:3*pageBytes]
	files[groupsName] = bytes.Join([][]byte{b[:pageBytes], second, first}, nil)
	c = open4test(t, writeFolder(t, files), o)
	if n := c.disk.groups.count(); n != 0 {
		t.Errorf("%d groups of pages that were exchanged", n)
	}
}
