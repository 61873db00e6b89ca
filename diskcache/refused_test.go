package diskcache

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// A write-through as the package comment says: Revoke, Fence, write to the source, Put.
// The Put is refused though the key's own fence holds, because its group's secret went in
// between. What it was to replace, of another group or of none, must not be believed.
func TestPutRefusedForItsGroupLeavesNoOldData(t *testing.T) {
	for how, gone := range map[string]func(t *testing.T, c *Cache){
		"shredded": func(t *testing.T, c *Cache) { mustShredGroup(t, c, "g") },
		"crowded out by other groups": func(t *testing.T, c *Cache) {
			for i := 0; c.disk.groups.alive(c.disk.groups.peek(c, "g")); i++ {
				c.group(fmt.Sprint("patient", i))
			}
		},
	} {
		t.Run(how, func(t *testing.T) {
			var armed atomic.Bool
			reached, resume := make(chan struct{}), make(chan struct{})
			c := open4test(t, newDir(t), Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}, wrap: func(f file) file {
				if n, ok := f.(*os.File); !ok || !strings.HasSuffix(n.Name(), segmentSuffix) {
					return f
				}
				return hookedFile{f, func(b []byte, off int64, write func() (int, error)) (int, error) {
					if len(b) > 100<<10 && armed.CompareAndSwap(true, false) {
						close(reached)
						<-resume
					}
					return write()
				}}
			}})
			c.disk.groups.most = pageGroups
			mustPut(t, c, "k", NewView([]byte("old")), "old")
			c.group("g") // it has entries already
			c.Revoke("k")
			f := c.Fence("k")
			// Here the source is written, and now has "new".
			armed.Store(true)
			failed := make(chan error)
			go func() { failed <- c.Put("k", NewView(content("k", 1, 1<<20)), Meta{Version: "new", Group: "g"}, f) }()
			<-reached
			gone(t, c)
			close(resume)
			if err := <-failed; !errors.Is(err, ErrFenced) {
				t.Fatal(err)
			}
			if e, err := c.Get("k"); err == nil && !e.Suspect {
				t.Errorf("the source has another version, and Get returns %q, not suspect", e.Version)
			}
		})
	}
}

// peek is the group's id, if it has one.
func (g *groups) peek(c *Cache, name string) groupID {
	hash := c.groupHash(name)
	g.mu.RLock()
	defer g.mu.RUnlock()
	return groupID{hash, g.keys[hash].id}
}
