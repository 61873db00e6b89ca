package diskcache

import (
	"bytes"
	"sync/atomic"
	"time"
)

// item is an entry in the memory tier. What is not atomic or a link does not
// change once the item can be found. A hit reads the first two of its three cache
// lines.
type item struct {
	hash    uint64
	key     string
	data    View
	expires int64 // nanoseconds since 1970
	epoch   atomic.Uint64
	mark    atomic.Uint32
	tag     uint32 // for the shortcut

	meta   Meta
	stored int64

	seq          uint64
	group        groupID
	newer, older *item    // under the shard's lock
	_            [24]byte // to the end of the line, so that the next item begins with one
}

// Marks of an item that has been hit, each cleared by who looks for it.
const (
	markRAM  = 1 // for the memory tier's eviction
	markDisk = 2 // for the disk tier's, which does not see hits in memory
	markGone = 4 // the item has been removed; it stays
)

func (it *item) gone() bool { return it.mark.Load()&markGone != 0 }

func (it *item) cost() int64 {
	m := &it.meta
	return int64(len(it.key)+len(m.Version)+len(m.Group)+len(m.Blob)+it.data.size) + itemOverhead
}

// entry returns the caller's copy.
func (it *item) entry(epoch uint64) Entry {
	e := Entry{Meta: it.meta, Data: it.data, Stored: time.Unix(0, it.stored), Suspect: it.epoch.Load() < epoch}
	if e.Blob != nil {
		e.Blob = bytes.Clone(e.Blob)
	}
	return e
}
