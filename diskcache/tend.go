package diskcache

// comingShare bounds how far reclaiming goes ahead of Puts that are under way: one part
// in eight of MaxBytes. Many large ones at once must not empty the cache before it is
// known that they come.
const comingShare = 8

// tend does a Put's share of reclaiming, which is about to append n bytes; tended must
// follow when it has. Whoever finds another one at it goes on, as long as there is room
// for all that is coming. When there is none, he waits for his turn: if everybody went
// on then, it would be made by throwing away segments without a look at what is used.
func (d *disk) tend(n int64) {
	r := &d.reclaim
	r.coming.Add(n)
	if !r.turn.try() && !(d.short() && r.turn.tryLock()) {
		return
	}
	defer r.turn.unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	d.sweep(sweepBatch + int(n/sweepPer))
	if !d.low() || !d.welcome(n) {
		return
	}
	for work := workPerByte*n + leastWork; work > 0 && d.low(); {
		work -= d.step()
	}
}

func (d *disk) tended(n int64) { d.reclaim.coming.Add(-n) }

// low reports whether there is less than a segment's worth of room besides what is
// coming.
func (d *disk) low() bool { return d.table.len() > 2 && d.lacks(d.segmentBytes) }

// short reports whether there is no room for what is coming, on a disk that is used.
func (d *disk) short() bool { return d.breaker.until.Load() == 0 && d.lacks(0) }

func (d *disk) lacks(spare int64) bool {
	if !d.gate.tryLock() {
		return false
	}
	defer d.gate.unlock()
	coming := min(d.reclaim.coming.Load(), d.limit/comingShare)
	return !d.closed && d.bytes+coming+slackBytes+spare > d.room()
}

// welcome reports whether n bytes will not be refused anyway.
func (d *disk) welcome(n int64) bool {
	if !d.gate.tryLock() {
		return false
	}
	defer d.gate.unlock()
	return d.mayTake(n) == nil && d.canFit(n+slackBytes, d.room())
}
