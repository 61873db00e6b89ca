package diskcache

import (
	"errors"
	"fmt"
)

// fill reads exactly p, which lies within the data. It keeps the cache open for as
// long as that takes and no longer: a download may take hours, and Close must not
// wait for it.
func (r *Reader) fill(p []byte, off int64) (int, error) {
	c := r.cache
	if !c.enter() {
		return 0, ErrClosed
	}
	defer c.leave()
	if c.seed.Load() != r.seed || !c.disk.groups.alive(r.group) {
		return 0, r.gone(errShredded)
	}
	l := r.record.Load()
	if l == nil {
		return copy(p, r.data.text()[off:]), nil
	}
	size := int64(l.record.chunk)
	for done := 0; done < len(p); {
		n, at := int((off+int64(done))/size), (off+int64(done))%size
		m, err := r.fillFrom(n, int(at), p[done:])
		if err != nil {
			return done, r.gone(err)
		}
		done += m
	}
	return len(p), nil
}

// fillFrom copies what it can from chunk n.
func (r *Reader) fillFrom(n, at int, p []byte) (int, error) {
	from, to := r.record.Load().bounds(n)
	whole := int(to - from)
	if at == 0 && len(p) >= whole {
		return whole, r.chunk(n, p[:whole:whole])
	}
	// Whoever comes meanwhile finds nothing kept and opens a chunk for himself.
	kept := r.kept.Swap(nil)
	if kept == nil || kept.n != n {
		if kept == nil {
			kept = new(openChunk)
		}
		kept.n, kept.data = n, grow(kept.data, whole)
		if err := r.chunk(n, kept.data); err != nil {
			return 0, err
		}
	}
	m := copy(p, kept.data[at:])
	if r.failed.Load() == nil {
		r.kept.Store(kept)
	}
	return m, nil
}

// chunk opens chunk n, wherever its record is by now.
func (r *Reader) chunk(n int, dst []byte) error {
	for range 4 {
		l := r.record.Load()
		err := r.cache.disk.chunk(l, n, dst)
		if !errors.Is(err, errGone) {
			return err
		}
		moved, err := r.cache.follow(l)
		if err != nil {
			return err
		}
		if moved.size != l.size || moved.record.chunk != l.record.chunk {
			return errDamaged
		}
		r.record.CompareAndSwap(l, moved)
	}
	return errGone
}

// gone makes of a reason why a chunk cannot be read what the caller is told, and
// forgets a record that is damaged.
func (r *Reader) gone(err error) error {
	if bypassed(err) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if l := r.record.Load(); l != nil {
		r.cache.discard(r.cache.shard(r.hash), r.hash, l.slot, err)
	}
	r.fail(ErrGone)
	return ErrGone
}
