package diskcache

import (
	"context"
	"log/slog"
	"testing"
)

// surveyed opens a cache as far as Open does before it loads, which load then does.
func surveyed(t *testing.T, dir string, o Options) (c *Cache, load func()) {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	fo, version, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	key, fresh, err := openKey(t.Context(), fo, version, o)
	if err != nil || fresh {
		t.Fatal(fresh, err)
	}
	c = newCache(fo, key, o)
	if err := c.survey(); err != nil {
		t.Fatal(err)
	}
	if !c.disk.startSeq(fo) {
		t.Fatal("boot is lost")
	}
	c.stop = func() {}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, func() { c.load(context.Background()) }
}

// TestSegmentEvictedBeforeItIsLoadedUncoversNothing, neither in this process nor in the
// next, whether the one before was closed or killed.
func TestSegmentEvictedBeforeItIsLoadedUncoversNothing(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, sealed := range []bool{true, false} {
			dir, o := newDir(t), uncoverOptions()
			c := open4test(t, dir, o)
			_, number := oldAndNew(t, c)
			if sealed {
				closeSegment(t, c)
			}
			if closed {
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			} else {
				dir = writeFolder(t, onDisk(t, dir))
			}
			c, load := surveyed(t, dir, o)
			before := c.disk.forgotten
			evictFile(c, number)
			if work := c.disk.forgotten - before; work <= segmentWork {
				t.Errorf("its records cost nothing: work %d", work)
			}
			wantGone(t, dir, o, "k")
			load()
			wantMiss(t, c, "k")
			wantGone(t, dir, o, "k")
		}
	}
}

// TestSegmentWrittenOnBeforeItIsLoadedUncoversNothing: a new process goes on with it,
// fills it, and evicts it before it knows what else is in it.
func TestSegmentWrittenOnBeforeItIsLoadedUncoversNothing(t *testing.T) {
	dir, o := newDir(t), uncoverOptions()
	c := open4test(t, dir, o)
	mustPut(t, c, "other", NewView([]byte("old")), "old")
	_, number := oldAndNew(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, load := surveyed(t, dir, o)
	mustPut(t, c, "other", NewView([]byte("new")), "new")
	if fileOf(t, c, "other") != number {
		t.Fatal("not continued")
	}
	closeSegment(t, c)
	evictFile(c, number)
	load()
	for _, key := range []string{"k", "other"} {
		wantMiss(t, c, key)
		wantGone(t, dir, o, key)
	}
}
