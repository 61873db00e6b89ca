package diskcache

import (
	"bytes"
	"slices"
)

// maxDropFile is the size that a drop file is never above.
const maxDropFile = dropsBytes + frameBytes

// cutDrops cuts off what somebody has extended a drop file by, perhaps some terabytes
// that take no space. It would count as taken, and others be evicted for it.
func cutDrops(f file, size int64) (int64, error) {
	if size <= maxDropFile {
		return size, nil
	}
	b := make([]byte, maxDropFile-fileHeader)
	if _, err := f.ReadAt(b, fileHeader); err != nil {
		return 0, err
	}
	frames := (len(bytes.TrimRight(b, "\x00")) + frameBytes - 1) / frameBytes
	size = fileHeader + int64(frames)*frameBytes
	return size, f.Truncate(size)
}

// keepUnread keeps a drop file whose header cannot be read, for load to deal with. It is
// false if that is no file. The number is believed unless it would use up too many.
func (d *disk) keepUnread(number uint32, name string) bool {
	f := &dropFile{segmentHeader: segmentHeader{number: number, queue: dropsFile}, highest: 1<<64 - 1}
	if info, err := d.root.Lstat(name); err == nil {
		if !info.Mode().IsRegular() {
			return false
		}
		d.grew(f, min(info.Size(), maxDropFile))
	}
	if number <= maxNumber/2 {
		d.number = max(d.number, number+1)
	}
	d.drops.files = append(d.drops.files, f)
	return true
}

// voidOlder voids all that is not younger than a drop file that cannot be read, since
// it is not known what of it has been dropped. It leaves a drop of its own: what is not
// served cannot be dropped by anybody in this process, and the next one may be able to
// read the file. With that, the file is of no use any more. later are those that were
// begun after it.
func (l *loader) voidOlder(f *dropFile, later []*dropFile, cause error) {
	d := l.d
	d.failures.Add(1)
	d.log.Warn("diskcache: a file of drops cannot be read: all that is older is void", "error", cause)
	below := d.seq.Add(1)
	if i := slices.IndexFunc(later, func(o *dropFile) bool { return o.aead != nil }); i >= 0 {
		below = later[i].born + 1
	}
	l.c.loading.noteAll(below)
	err := d.guard(func() error { return d.dropChecked(frameDropAll, 0, below) })
	d.gate.lock()
	defer d.gate.unlock()
	if err != nil {
		d.log.Error("diskcache: dropped entries may be found again, as suspects, after a restart", "error", err)
		f.highest = d.seq.Load()
		return
	}
	d.deleteDrops(f)
}
