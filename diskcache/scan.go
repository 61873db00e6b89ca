package diskcache

import (
	"context"
	"errors"
	"fmt"
)

// scan reads the heads of a segment whose process was killed, or whose blocks are
// damaged, and cuts off what follows the last whole record. A segment that has no
// successor yet is continued, any other is sealed, so that the next start need
// not scan it again.
func (l *loader) scan(ctx context.Context, s *segment) error {
	l.c.scanned.Add(1)
	length := s.foundSize
	t := newSegment(s.segmentHeader, s.aead, s.f)
	w := window{f: s.f, size: length}
	for t.size < length {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e, n, err := w.next(t)
		if errors.Is(err, errDamaged) {
			break
		}
		if err != nil {
			return err
		}
		if n == 0 { // a block
			continue
		}
		t.records++
		t.highest = max(t.highest, e.seq)
		t.pending = append(t.pending, e)
		l.add(s, e)
	}
	if t.records == 0 {
		return errDamaged
	}
	return l.mend(s, t)
}

// mend makes of s what the scan found, with blocks anew.
func (l *loader) mend(s, t *segment) error {
	d := l.d
	d.gate.lock()
	defer d.gate.unlock()
	d.raise(t.highest)
	if d.closed || !d.table.holds(slot{file: s.number}) {
		return nil
	}
	if d.active[s.q] == s { // its trailer was good, a block was not; it has grown since
		s.loading = false
		return nil
	}
	if err := s.f.Truncate(t.size); err != nil {
		return fmt.Errorf("diskcache: %w", err)
	}
	s.size, s.records, s.highest, s.pending = t.size, t.records, t.highest, t.pending
	s.last, s.sealed, s.loading = 0, false, false
	for len(s.pending) > blockEntries {
		if err := d.flush(s, nil); err != nil {
			return err
		}
	}
	d.account(s)
	if d.active[s.q] == nil && !s.solo && s == d.newest(s.q) {
		d.active[s.q] = s
		return nil
	}
	return d.sealSegment(s)
}

func (d *disk) newest(q int) *segment {
	order := d.queues[q].order
	if len(order) == 0 {
		return nil
	}
	return order[len(order)-1]
}

// window reads heads through a buffer: small records come several to a read,
// large bodies are not read at all.
type window struct {
	f    file
	size int64
	off  int64
	buf  []byte
	sc   scratch
}

const windowBytes = 16 << 10

// at returns n bytes at off.
func (w *window) at(off int64, n int) ([]byte, error) {
	if off+int64(n) > w.size {
		return nil, errDamaged
	}
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		w.buf = grow(w.buf, int(min(max(int64(n), windowBytes), w.size-off)))
		w.off = off
		if err := (&segment{f: w.f}).readAt(w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.off:][:n], nil
}

// next returns the record at the end of what t is known to hold, and its length,
// or 0 for an index block. A record whose body is cut short is damaged.
func (w *window) next(t *segment) (e entry, n int64, err error) {
	raw, err := w.at(t.size, headerBytes)
	if err != nil {
		return entry{}, 0, err
	}
	h, ok := parseHeader(raw)
	if !ok || h.total() > w.size-t.size {
		return entry{}, 0, errDamaged
	}
	p := place{t, t.size, h}
	if h.block() {
		sealed, err := w.at(t.size+headerBytes, h.len())
		if err != nil {
			return entry{}, 0, err
		}
		if _, err := t.aead.Open(nil, nil, sealed, p.appendAAD(nil, labelBlock)); err != nil {
			return entry{}, 0, errDamaged
		}
		t.size += h.total()
		return entry{}, 0, nil
	}
	sealed, err := w.at(t.size+headerBytes, headSealed)
	if err != nil {
		return entry{}, 0, err
	}
	r, err := p.openHead(sealed, &w.sc)
	if err != nil {
		return entry{}, 0, err
	}
	t.size += h.total()
	return entry{hash: r.hash, seq: r.seq, replaces: r.replaces, off: uint32(p.off), size: uint32(min(h.total(), 1<<32-1))}, h.total(), nil
}
