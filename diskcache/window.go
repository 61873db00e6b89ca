package diskcache

// window reads metadata through a small buffer: small records come several
// to a read, large bodies are not read at all.
type window struct {
	f    file
	size int64
	off  int64
	buf  []byte
	aad  []byte
	meta []byte
}

const windowBytes = 4096

// at returns n bytes at off.
func (w *window) at(off int64, n int) ([]byte, error) {
	if off+int64(n) > w.size {
		return nil, errDamaged
	}
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		w.buf = grow(w.buf, int(min(max(int64(n), windowBytes), w.size-off)))
		w.off = off
		if _, err := w.f.ReadAt(w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	from := off - w.off
	return w.buf[from : from+int64(n)], nil
}

// record opens the metadata of the record at the end of what s is known to
// hold. A record whose body is cut short is damaged.
func (w *window) record(s *segment) (place, record, error) {
	raw, err := w.at(s.size, headerBytes)
	if err != nil {
		return place{}, record{}, err
	}
	h, ok := parseHeader(raw)
	if !ok || h.total() > w.size-s.size {
		return place{}, record{}, errDamaged
	}
	sealed, err := w.at(s.size+headerBytes, int(h.meta))
	if err != nil {
		return place{}, record{}, err
	}
	p := place{seg: s, off: s.size, header: h}
	r, meta, err := s.openMeta(p, sealed, w.aad, w.meta)
	w.meta = meta
	return p, r, err
}
