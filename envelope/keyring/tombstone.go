package keyring

import (
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// bury returns the document with tombstones in the place of the keys of ids. A
// tombstone that stands already keeps its time.
func (d document) bury(ids []envelope.KeyID, now time.Time) document {
	var stones []keyEntry
	for _, id := range ids {
		if e, ok := d.find(id); ok && !e.destroyed() {
			e.Wrapped, e.Destroyed = nil, now.UTC().Truncate(time.Second)
			stones = append(stones, e)
		}
	}
	return d.with(stones...)
}

func (d document) tombstones() (stones []keyEntry) {
	for _, e := range d.Keys {
		if e.destroyed() {
			stones = append(stones, e)
		}
	}
	return stones
}

// halfDestroyed names a key whose newest version is destroyed while an older one
// is not. Nobody writes that: a name whose newest version is destroyed is
// destroyed as a whole, and never gets another version.
func (d document) halfDestroyed() (name string, found bool) {
	alive := false // a version of this name
	for i, e := range d.Keys {
		alive = !e.destroyed() || alive && e.Name == d.Keys[i-1].Name
		last := i == len(d.Keys)-1 || d.Keys[i+1].Name != e.Name
		if last && alive && e.destroyed() {
			return e.Name, true
		}
	}
	return "", false
}

// follows is nil if the document can have come after old: versions are added and
// destroyed, but none ever vanishes or comes back.
func (d document) follows(old document) error {
	for _, e := range old.Keys {
		switch now, ok := d.find(e.id()); {
		case !ok:
			return fmt.Errorf("%w: %v is missing", ErrRolledBack, e.id())
		case e.destroyed() && !now.destroyed():
			return fmt.Errorf("%w: %v was destroyed and is back", ErrRolledBack, e.id())
		}
	}
	return nil
}
