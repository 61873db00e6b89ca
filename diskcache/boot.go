package diskcache

import (
	"encoding/binary"
	"time"
)

// bootName is the file that holds, sealed, the lowest sequence number of the
// process that wrote it. The next process begins 2^40 above, and not below the
// nanoseconds since 1970, so that its numbers are higher even if the clock was set
// back or the newest files are lost.
//
// If the file itself is lost, the highest number is somewhere in the others. Open then
// waits until all have been read: were a number given out twice, what is dropped now
// could be found by the next process.
const (
	bootName  = "boot"
	bootBytes = 8 + sealOverhead
	maxSeq    = 1 << 61
)

// startSeq begins above every number given out by an earlier process, and reports
// whether it is known that it does.
func (d *disk) startSeq(fo *folder) (known bool) {
	d.raise(d.seq.Load() + 1)
	d.raise(uint64(time.Now().UnixNano()))
	raw, err := fo.read(bootName, bootBytes)
	if err == nil {
		raw, err = d.key.aead("boot", nil).Open(nil, nil, raw, nil)
	}
	if known = err == nil && len(raw) == 8; known {
		d.raise(binary.BigEndian.Uint64(raw) + 1<<40)
	} else if d.table.len()+len(d.drops.files) > 0 {
		d.log.Warn("diskcache: the file boot is lost, opening takes until all others have been read")
	}
	return known
}

// saveSeq tells the next process.
func (d *disk) saveSeq(fo *folder) {
	b := d.key.aead("boot", nil).Seal(nil, nil, binary.BigEndian.AppendUint64(nil, d.seq.Load()), nil)
	if err := replaceFile(fo.root, bootName, b, false); err != nil {
		d.failures.Add(1)
	}
}

// raise keeps sequence numbers above all that have been seen.
func (d *disk) raise(seq uint64) {
	seq = min(seq, maxSeq)
	for {
		now := d.seq.Load()
		if seq <= now || d.seq.CompareAndSwap(now, seq) {
			return
		}
	}
}
