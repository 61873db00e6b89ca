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

// evictWork bounds what one call evicts, in records that are forgotten; a segment
// counts as segmentWork more, and for each evictPer bytes that are asked for, one more
// record may go. Usually nothing is evicted here, since reclaiming has made room. But
// others may fill the file system at any time, and then it must not be one Put that
// pays for all that has to go, nor everybody, who waits for its gate meanwhile.
const (
	evictWork   = 1 << 12
	segmentWork = 1 << 6
	evictPer    = 1 << 6
)

// errRoomLater says that the next one should try.
var errRoomLater = fmt.Errorf("others have filled the file system, and making room takes longer than one Put: %w", syscall.ENOSPC)

// makeRoom evicts until n bytes more are within the bounds, or until it has done its
// share of that. For what cannot fit, whatever goes, it evicts nothing, but for what
// others need: the cache gives that back in any case.
func (d *disk) makeRoom(n int64) error {
	limit, before := d.room(), d.forgotten
	share := evictWork + n/evictPer
	n += slackBytes
	fits := d.bytes+n <= limit || d.canFit(n, limit)
	if !fits {
		n = 0
	}
	for d.drops.bytes > limit/8 && d.forgotten-before < share && d.evictForDrops() {
	}
	for d.bytes+n > limit {
		if d.forgotten-before >= share {
			return errRoomLater
		}
		if !d.evictNow(nil) {
			return d.noRoom()
		}
	}
	if !fits {
		return d.noRoom()
	}
	return nil
}

func (d *disk) noRoom() error {
	if d.space.limit < d.limit {
		return errNoSpace
	}
	return ErrTooLarge
}

// canFit reports whether n bytes would be within the limit if all that can be evicted
// were. Drops can: they go with the records that they void.
func (d *disk) canFit(n, limit int64) bool {
	for _, s := range *d.table.byNumber.Load() {
		if s.writing.Load() {
			n += s.claimed
		}
	}
	for _, s := range d.undeleted {
		n += s.claimed
	}
	return n <= limit
}

// mayTake refuses a record that is too large before anything is evicted for it. Where
// others have filled the disk, half of what is left to the cache is the most: one record
// must not push out all others, least of all if it then fails.
func (d *disk) mayTake(n int64) error {
	if n > d.limit/2 {
		return fmt.Errorf("%w: over %d bytes", ErrTooLarge, n)
	}
	if room := d.room(); d.space.limit < d.limit && n > room/2 {
		return errNoSpace
	}
	return nil
}
