package s3store

import (
	"context"
	"io"
	"sync"

	"github.com/hipaakit/hipaakit/diskcache"
)

// collected is what a Put keeps of the data for the cache: in memory while that may be
// enough, else in the cache's own file, which becomes an entry when S3 has the object.
type collected struct {
	change *change
	all    []byte
	parts  [][]byte // growing one slice would double and copy
	size   int64    // so far
	wanted int64    // in the end; -1: not known
	stream *stream
	gone   bool // nothing is kept
}

const collectUnit = 1 << 20

// newCollected expects size bytes (-1: unknown). The change has begun.
func newCollected(c *change, size int64) *collected {
	return &collected{change: c, wanted: size, gone: c.store.cache == nil}
}

// Write implements io.Writer; it does not fail.
func (k *collected) Write(p []byte) (int, error) {
	k.size += int64(len(p))
	switch {
	case k.gone:
	case k.stream != nil:
		k.stream.w.Write(p)
	case max(k.size, k.wanted) > k.change.store.options.MaxInMemory:
		k.spill(p)
	default:
		k.collect(p)
	}
	return len(p), nil
}

// take is Write of what is k's own from here on.
func (k *collected) take(p []byte) {
	if k.gone || max(int64(len(p)), k.wanted) > k.change.store.options.MaxInMemory {
		k.Write(p)
		return
	}
	if len(p) > 0 {
		k.size, k.parts = int64(len(p)), [][]byte{p}
	}
}

// twoWriters keeps what another writer takes, at the same time: to write it to disk takes
// longer than to seal it, and the other waits for S3 most of the time.
type twoWriters struct {
	kept  *collected
	other io.Writer
}

func (t *twoWriters) Write(p []byte) (int, error) {
	if t.kept.gone {
		return t.other.Write(p)
	}
	var kept sync.WaitGroup
	kept.Go(func() { t.kept.Write(p) })
	defer kept.Wait() // p is the caller's again
	return t.other.Write(p)
}

func (k *collected) collect(p []byte) {
	for len(p) > 0 {
		last := len(k.parts) - 1
		if last < 0 || len(k.parts[last]) == cap(k.parts[last]) {
			k.parts = append(k.parts, make([]byte, 0, max(k.wanted-k.size+int64(len(p)), collectUnit)))
			continue
		}
		part := k.parts[last]
		m := min(len(p), cap(part)-len(part))
		k.parts[last] = append(part, p[:m]...)
		p = p[m:]
	}
}

// spill moves what is in memory into a stream.
func (k *collected) spill(p []byte) {
	wanted := k.wanted
	if wanted < k.size { // a file that has grown since it was asked
		wanted = -1
	}
	if k.stream = k.change.store.newStream(k.change.key, wanted, k.change.fence); k.stream == nil {
		k.gone = true
	} else {
		for _, part := range k.parts {
			k.stream.w.Write(part)
		}
		k.stream.w.Write(p)
	}
	k.parts = nil
}

// insert puts what was kept into the cache, where [change.keep] lets it.
func (k *collected) insert(ctx context.Context, info Info) {
	switch {
	case k.gone:
	case k.stream != nil:
		k.change.keep(ctx, info, func() error { return k.stream.commit(info) })
	default:
		k.change.insert(ctx, info, k.view())
	}
}

func (k *collected) view() diskcache.View {
	if len(k.parts) == 1 {
		k.all = tight(k.parts[0])
	} else if k.parts != nil {
		k.all = make([]byte, 0, k.size)
		for i, part := range k.parts {
			k.all = append(k.all, part...)
			k.parts[i] = nil
		}
	}
	return diskcache.NewView(k.all)
}
