package diskcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
)

// survey looks at the files that an earlier process left: their names, sizes and
// headers, and the trailers of those that will be continued. Of 500 files that
// takes some 10 ms; what is in them is load's business.
func (c *Cache) survey() error {
	d := c.disk
	names, err := c.folder.names()
	if err != nil {
		return fmt.Errorf("diskcache: %w", err)
	}
	useless := 0
	for _, name := range names {
		number, drops, ok := parseName(name)
		if !ok {
			continue
		}
		err := errDamaged
		if number > 0 && number <= maxNumber {
			err = d.found(uint32(number), name, drops)
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, errDamaged):
			useless++
		case tooFewDescriptors(err):
			return errDescriptors(err)
		case drops && d.keepUnread(uint32(number), name):
			continue
		default:
			d.failures.Add(1)
			d.log.Warn("diskcache: a file cannot be read and is deleted", "error", err)
		}
		if err := d.root.Remove(name); err != nil {
			return fmt.Errorf("diskcache: cannot delete a useless file: %w", err)
		}
	}
	if useless > 0 {
		d.log.Warn("diskcache: files are deleted that are damaged, incomplete, or were written under another key",
			"deleted", useless, "left", d.table.len()+len(d.drops.files))
	}
	d.sortFound()
	err = d.groups.secrets.load(&d.groups)
	if tooFewDescriptors(err) {
		return errDescriptors(err)
	}
	if err != nil {
		d.log.Warn("diskcache: the secrets of groups cannot be read: their entries are lost", "error", err)
		d.failures.Add(1)
	}
	return nil
}

// found takes one file into account. Only one of ours moves the number: a name is
// anybody's, and one near the end of the range would use the numbers up.
func (d *disk) found(number uint32, name string, drops bool) error {
	raw, err := d.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := raw.Stat()
	f := d.wrap(raw)
	var h segmentHeader
	var s *segment
	if err == nil {
		h, s, err = openSegment(d.key, f, number)
	}
	if err != nil || (h.queue == dropsFile) != drops {
		_ = f.Close()
		return cmp.Or(err, errDamaged)
	}
	d.number = max(d.number, number+1)
	d.seq.Store(max(d.seq.Load(), h.born))
	if drops {
		size, err := cutDrops(f, info.Size())
		_ = f.Close()
		if err != nil {
			return err
		}
		file := &dropFile{segmentHeader: h, aead: s.aead, highest: 1<<64 - 1}
		d.drops.files = append(d.drops.files, file)
		d.grew(file, size)
		return nil
	}
	s.loading, s.sealed = true, true
	s.size, s.foundSize = info.Size(), info.Size()
	d.enlist(s)
	return nil
}

func openSegment(key *cacheKey, f file, number uint32) (segmentHeader, *segment, error) {
	b := make([]byte, fileHeader)
	probe := segment{f: f}
	if err := probe.readAt(b, 0); err != nil {
		return segmentHeader{}, nil, err
	}
	h, aead, err := openHeader(key, b, number)
	if err != nil {
		return segmentHeader{}, nil, err
	}
	return h, newSegment(h, aead, f), nil
}

// sortFound brings files into the order in which they were made, and continues the
// newest segment of each queue, so that restarts do not pile up files.
func (d *disk) sortFound() {
	slices.SortFunc(d.drops.files, func(a, b *dropFile) int { return cmp.Compare(a.number, b.number) })
	for q := range d.queues {
		order := d.queues[q].order
		slices.SortFunc(order, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
		if n := len(order); n > 0 && !order[n-1].solo {
			d.resume(order[n-1])
		}
	}
}

// resume makes a segment with a trailer the one that is written to. The trailer is
// overwritten by what comes next; load knows from it where the blocks are.
func (d *disk) resume(s *segment) {
	t := *newSegment(s.segmentHeader, s.aead, s.f)
	if t.readTrailer(s.size) != nil || t.last == 0 {
		return // load will scan it
	}
	d.raise(t.highest)
	s.size, s.last, s.records, s.highest = t.size, t.last, t.records, t.highest
	s.found, s.foundSize, s.sealed = t.last, t.size, false
	d.active[s.q] = s
	d.account(s)
}

// tooFewDescriptors is about this process, or its machine, not about the file.
func tooFewDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

func errDescriptors(err error) error {
	return fmt.Errorf("diskcache: too few file descriptors to open what is cached (some hundreds; see ulimit -n): %w", err)
}

func calledOff(ctx context.Context) error {
	return fmt.Errorf("diskcache: opening was called off: %w", context.Cause(ctx))
}
