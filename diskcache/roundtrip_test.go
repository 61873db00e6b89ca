package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// sizes are those at which something changes: compression, chunks, read-ahead,
// files of their own (with MaxBytes at 64 MiB a segment has 256 KiB), cores.
var sizes = []int{
	0, 1, 63, 64, 1000, 4096, 64 << 10,
	chunkPlain - 1, chunkPlain, chunkPlain + 1, readAhead, 2*chunkPlain + 17,
	chunkLZ - 1, chunkLZ, chunkLZ + 1, 3*chunkLZ + 12345, parallelBytes + 5,
}

func TestWhatIsStoredIsReturnedAtEverySize(t *testing.T) {
	t.Parallel()
	for _, maxBytes := range []int64{64 << 20, 4 << 30} {
		for _, kind := range []string{"text", "noise"} {
			for _, size := range sizes {
				if (size > parallelBytes || underRace) && (kind == "text") != (maxBytes == 4<<30) && !long() {
					continue // each layout once, each kind once
				}
				t.Run(fmt.Sprintf("%d/%s/%d", maxBytes>>20, kind, size), func(t *testing.T) {
					data := noise(size)
					if kind == "text" {
						data = content("k", 0, size)
					}
					roundTrip(t, data, maxBytes)
				})
			}
		}
	}
}

func roundTrip(t *testing.T, data []byte, maxBytes int64) {
	dir, o := newDir(t), Options{MaxBytes: maxBytes, Keys: testKeys{}, MemoryBytes: -1}
	before := time.Now()
	c := open4test(t, dir, o)
	m := Meta{Version: `"etag"`, Blob: []byte("blob")}
	if err := c.Put("k", NewView(bytes.Clone(data)), m, c.Fence("k")); err != nil {
		t.Fatal(err)
	}
	check := func(suspect bool) {
		t.Helper()
		e := wantHit(t, c, "k", data)
		if e.Version != m.Version || string(e.Blob) != "blob" || e.Suspect != suspect {
			t.Errorf("got %v, suspect %v", e, e.Suspect)
		}
		if e.Stored.Before(before.Add(-time.Second)) || e.Stored.After(time.Now().Add(time.Second)) {
			t.Errorf("stored at %v", e.Stored)
		}
	}
	check(false) // from disk
	c = reopen(t, c, dir, o)
	check(true) // from disk, found again
	o.MemoryBytes = 0
	c = reopen(t, c, dir, o)
	check(true)
	check(true) // from memory
	if st := c.Stats(); st.MemoryHits != 1 || st.DiskHits != 1 || st.Misses != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAbsentKeyIsAMiss(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	wantMiss(t, c, "never stored")
	wantMiss(t, c, "")
	if c.Stats().Misses != 2 {
		t.Error("misses are not counted")
	}
}

func TestBlobAndKeyAreCopies(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	blob := []byte("blob")
	if err := c.Put("k", View{}, Meta{Blob: blob}, c.Fence("k")); err != nil {
		t.Fatal(err)
	}
	clear(blob)
	for range 2 {
		e, err := c.Get("k")
		if err != nil || string(e.Blob) != "blob" {
			t.Fatal(err, e.Blob)
		}
		clear(e.Blob)
	}
}

func TestLimitsAreRefusedAndTheOldEntryForgotten(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 1 << 20})
	tooLong := strings.Repeat("k", maxKey+1)
	for name, tc := range map[string]struct {
		key  string
		data []byte
		m    Meta
		want error
	}{
		"empty key":    {"", nil, Meta{}, ErrInvalid},
		"long key":     {tooLong, nil, Meta{}, ErrInvalid},
		"long version": {"k", nil, Meta{Version: strings.Repeat("v", maxVersion+1)}, ErrInvalid},
		"large blob":   {"k", nil, Meta{Blob: make([]byte, maxBlob+1)}, ErrInvalid},
		"large data":   {"k", noise(600 << 10), Meta{}, ErrTooLarge},
	} {
		mustPut(t, c, "k", NewView([]byte("old")), "old")
		if err := c.Put(tc.key, NewView(tc.data), tc.m, c.Fence(tc.key)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if tc.key == "k" {
			wantMiss(t, c, "k")
		}
		c.Drop(tc.key) // must not panic either
	}
	longest := Meta{Version: strings.Repeat("v", maxVersion), Blob: make([]byte, maxBlob)}
	key := strings.Repeat("k", maxKey)
	if err := c.Put(key, View{}, longest, c.Fence(key)); err != nil {
		t.Error("at the limits:", err)
	}
	for _, o := range []Options{{MaxBytes: 1}, {MaxBytes: -1}, {MaxAge: -1}} {
		if _, err := Open(t.Context(), newDir(t), o); !errors.Is(err, ErrInvalid) {
			t.Errorf("Open accepted %+v: %v", o, err)
		}
	}
}

func TestMemoryHitAllocatesNothing(t *testing.T) {
	c := open4test(t, newDir(t), Options{})
	mustPut(t, c, "k", NewView(noise(4096)), "v")
	var e Entry
	if n := testing.AllocsPerRun(1000, func() { e, _ = c.Get("k") }); n != 0 {
		t.Errorf("a hit in memory made %v allocations", n)
	}
	if e.Data.Len() != 4096 {
		t.Error("not a hit")
	}
	if st := c.Stats(); st.DiskHits != 0 {
		t.Error("not from memory")
	}
	runtime.KeepAlive(e)
}

func TestAfterCloseEverythingIsAMissAndNothingPanics(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{})
	mustPut(t, c, "k", NewView([]byte("data")), "v")
	e, err := c.Get("k")
	if err != nil {
		t.Fatal(err)
	}
	f := c.Fence("k")
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Get("k"); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrMiss) {
		t.Error(err)
	}
	if err := c.Put("k", View{}, Meta{}, f); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if c.Confirm("k", "v", f) {
		t.Error("confirmed in a closed cache")
	}
	c.Drop("k")
	c.Revoke("k")
	c.DropAll()
	c.Suspect()
	c.Fence("k")
	if st := c.Stats(); st.Entries != 0 || st.MemoryBytes != 0 {
		t.Errorf("%+v", st)
	}
	for range c.All() {
		t.Error("an entry in a closed cache")
	}
	if string(e.Data.Bytes()) != "data" {
		t.Error("a view did not outlive the cache")
	}
}

func TestAllListsEveryLiveEntry(t *testing.T) {
	c := open4test(t, newDir(t), Options{MaxBytes: 16 << 20})
	for i := range 200 {
		key := fmt.Sprint("key ", i)
		if err := c.Put(key, NewView(content(key, i, i*50)), Meta{Version: fmt.Sprint(i), Blob: []byte(key)}, c.Fence(key)); err != nil {
			t.Fatal(err)
		}
	}
	c.Drop("key 7")
	seen := make(map[string]bool)
	for key, m := range c.All() {
		if seen[key] || string(m.Blob) != key || "key "+m.Version != key {
			t.Fatal(key, m)
		}
		seen[key] = true
	}
	if len(seen) != 199 || seen["key 7"] {
		t.Error(len(seen), "entries")
	}
	for range c.All() {
		c.Close() // from within the loop
		break
	}
}
