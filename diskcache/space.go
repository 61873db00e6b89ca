package diskcache

import (
	"fmt"
	"syscall"
)

// space is what the file system leaves to the cache. Others write to the same
// disk, and a disk without free space stops more than a cache: so a twentieth of
// it stays free, if need be at the cost of everything cached.
type space struct {
	statfs  func() (total, free int64, err error)
	now     func() int64
	limit   int64 // MaxBytes, or less
	sampled int64 // when; 0: never
}

const (
	spareShare  = 20          // one part in 20 stays free
	samplePause = 500_000_000 // nanoseconds between two looks
)

// update looks at the file system if it is time, and returns how many bytes the
// cache may take, of which it has used some already.
func (sp *space) update(used, most int64) int64 {
	now := sp.now()
	if sp.sampled != 0 && now-sp.sampled < samplePause {
		return sp.limit
	}
	sp.sampled, sp.limit = now, most
	if total, free, err := sp.statfs(); err == nil {
		sp.limit = max(0, min(most, used+free-total/spareShare))
	}
	return sp.limit
}

var errNoSpace = fmt.Errorf("less than a twentieth of the file system is free: %w", syscall.ENOSPC)

// slackBytes is what a record may take besides itself: the rounding of its file,
// another file's header, its place in an index block, a trailer.
const slackBytes = 4 * diskBlock

// room is how many bytes segments and drops may take: what is left of the limit by
// the secrets of groups and four small files.
func (d *disk) room() int64 {
	return d.space.update(d.bytes, d.limit) - d.groups.bytes() - 4*diskBlock
}

// makeRoom evicts until n bytes more are within the bounds.
func (d *disk) makeRoom(n int64) error {
	limit := d.room()
	for d.drops.bytes > limit/8 && d.evictForDrops() {
	}
	for d.bytes+n+slackBytes > limit {
		if d.evictNow(nil) {
			continue
		}
		if d.space.limit < d.limit {
			return errNoSpace
		}
		return ErrTooLarge
	}
	return nil
}
