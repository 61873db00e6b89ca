package diskcache

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// wantShortcutInOrder checks that the shortcut leads to nothing that is not in memory
// anyway, and to most of what is.
func wantShortcutInOrder(t *testing.T, c *Cache, least int) {
	t.Helper()
	found := 0
	for i := range *c.shortcut.cells.Load() {
		p := &(*c.shortcut.cells.Load())[i]
		for j := range p {
			it := p[j].Load()
			if it == nil {
				continue
			}
			found++
			if in := c.shard(it.hash).ram.peek(it.hash); in != it {
				t.Errorf("%q has been removed and is kept (marked: %v)", it.key, it.gone())
			}
		}
	}
	if st := c.Stats(); found > st.MemoryEntries || int64(st.MemoryEntries) != c.shortcut.items.Load() || found < least {
		t.Errorf("%d in the shortcut, at least %d expected; %d in memory, %d counted", found, least, st.MemoryEntries, c.shortcut.items.Load())
	}
}

// TestShortcutKeepsNothingThatHasBeenRemoved: plaintext that was dropped, shredded,
// replaced or evicted must not stay in memory because of a hint.
func TestShortcutKeepsNothingThatHasBeenRemoved(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 8 << 20, MemoryBytes: 1 << 20})
	put := func(i int) {
		key := fmt.Sprint(i)
		if err := c.Put(key, NewView(noise(100)), Meta{Group: fmt.Sprint(i % 3)}, c.Fence(key)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		put(i)
	}
	for i := range 300 { // a new table is filled by hits
		wantHit(t, c, fmt.Sprint(i), noise(100))
	}
	wantShortcutInOrder(t, c, 280)
	for i := range 200 {
		put(i) // replaced
	}
	for i := range 100 {
		c.Drop(fmt.Sprint(i))
	}
	mustShredGroup(t, c, "1")
	wantShortcutInOrder(t, c, 120)
	for i := range 10_000 { // of which most are evicted from memory
		put(i)
	}
	wantShortcutInOrder(t, c, 1)
	c.DropAll()
	wantShortcutInOrder(t, c, 0)
}

// TestShortcutForgetsWhatIsOfferedTooLate: a Get has found the item just before it was
// removed.
func TestShortcutForgetsWhatIsOfferedTooLate(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	mustPut(t, c, "k", NewView([]byte("x")), "v")
	it := c.shortcut.find(c.shortcut.tag("k"), "k")
	if it == nil {
		t.Fatal("not found")
	}
	c.Drop("k")
	c.shortcut.offer(it)
	wantMiss(t, c, "k")
	wantShortcutInOrder(t, c, 0)
}

// TestKeysWithoutAPlaceInTheShortcutAreHits: three keys share two cells.
func TestKeysWithoutAPlaceInTheShortcutAreHits(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	same := map[*shortcutPair][]string{}
	for i := 0; ; i++ {
		key := fmt.Sprint(i)
		p := c.shortcut.pair(c.shortcut.tag(key))
		if same[p] = append(same[p], key); len(same[p]) == 5 {
			for _, key := range same[p] {
				mustPut(t, c, key, NewView([]byte(key)), "v")
			}
			for _, key := range same[p] {
				wantHit(t, c, key, []byte(key))
			}
			wantShortcutInOrder(t, c, 2)
			return
		}
	}
}

// TestShortcutRacesWithEverything: when all is quiet again, nothing is left in it that
// has been removed.
func TestShortcutRacesWithEverything(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 8 << 20, MemoryBytes: 256 << 10})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 3000 {
				key := fmt.Sprint(rng.IntN(1200))
				switch rng.IntN(8) {
				case 0:
					c.Drop(key)
				case 1, 2:
					_ = c.Put(key, NewView([]byte(key)), Meta{}, c.Fence(key))
				default:
					if e, err := c.Get(key); err == nil && string(e.Data.Bytes()) != key {
						t.Errorf("%s is %q", key, e.Data.Bytes())
					}
				}
			}
		})
	}
	wg.Wait()
	wantShortcutInOrder(t, c, 1)
}
