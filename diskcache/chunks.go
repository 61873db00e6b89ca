package diskcache

// body opens and decodes all chunks.
func (o *opened) body(sc *scratch) (View, error) {
	if o.size > uint64(1<<62) {
		return View{}, errDamaged
	}
	out := unzeroed(int(o.size))
	if !o.apart {
		from, to := o.bounds(0)
		if err := o.into(0, out[from:to], o.chunk); err != nil {
			return View{}, err
		}
	}
	if o.chunks() == o.firstBehind() {
		return NewView(out), nil
	}
	if err := o.behind(out, sc); err != nil {
		return View{}, err
	}
	return NewView(out), nil
}

// into decodes chunk n into dst, which is as long as its plaintext.
func (o *opened) into(n int, dst, chunk []byte) error {
	if o.codecOf(n) == codecLZ {
		return decompress(dst, chunk)
	}
	if len(chunk) != len(dst) {
		return errDamaged
	}
	copy(dst, chunk)
	return nil
}

// offset returns where sealed chunk n is in the record.
func (o *opened) offset(n int) int64 {
	off := int64(0)
	if !o.apart {
		off = int64(headerBytes + headSealed + o.header.len())
	}
	if o.codec == codecPlain {
		return off + int64(n-1)*(int64(o.record.chunk)+sealOverhead)
	}
	for i := o.firstBehind(); i < n; i++ {
		off += int64(o.encoded(i)) + sealOverhead
	}
	return off
}

// chunksAAD is what the chunks that are not in the first message are bound to.
func (o *opened) chunksAAD(b []byte) chunkAAD {
	if o.apart {
		return appendApart(b)
	}
	return o.appendChunk(b, &o.record, o.meta)
}

// behind opens the chunks behind the first, on several cores if there are many.
func (o *opened) behind(out []byte, sc *scratch) error {
	if o.size >= parallelBytes {
		return o.parallel(out)
	}
	return o.chunksFrom(o.firstBehind(), o.chunks(), out, sc)
}

// chunksFrom opens chunks from up to, but without, to.
func (o *opened) chunksFrom(from, to int, out []byte, sc *scratch) error {
	aad := o.chunksAAD(sc.aad[:0])
	sc.aad = aad
	off := o.offset(from)
	for n := from; n < to; n++ {
		sealed, err := o.sealedChunk(n, off, sc)
		if err != nil {
			return err
		}
		off += int64(len(sealed))
		from, to := o.bounds(n)
		if err := o.openChunk(n, sealed, aad, out[from:to:to], sc); err != nil {
			return err
		}
	}
	return nil
}

// sealedChunk returns chunk n as it is on disk.
func (o *opened) sealedChunk(n int, off int64, sc *scratch) ([]byte, error) {
	need := o.encoded(n) + sealOverhead
	if off+int64(need) <= int64(len(o.raw)) {
		return o.raw[off:][:need], nil
	}
	// Not sc.sealed, which o.raw may be.
	sc.encoded = grow(sc.encoded, need)
	return sc.encoded, o.seg.readAt(sc.encoded, o.off+off)
}

// openChunk opens chunk n into dst, which is as long as its plaintext: what is
// stored plain, directly.
func (o *opened) openChunk(n int, sealed []byte, aad chunkAAD, dst []byte, sc *scratch) error {
	plain := o.codecOf(n) == codecPlain
	buf := sc.lens[:0]
	if plain {
		buf = dst[:0]
	}
	got, err := o.aead.Open(buf, nil, sealed, aad.of(n, n == o.chunks()-1))
	if err != nil || plain && len(got) != len(dst) {
		return errDamaged
	}
	if plain {
		return nil
	}
	sc.lens = got
	return o.into(n, dst, got)
}
