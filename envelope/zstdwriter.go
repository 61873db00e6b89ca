package envelope

import "io"

// zstdWriter turns data into the seekable Zstandard format.
type zstdWriter struct {
	w       io.WriteCloser
	level   Compression
	pending []byte
	frame   []byte
	table   seekTable
	err     error
}

func (z *zstdWriter) Write(p []byte) (int, error) {
	written := 0
	for z.err == nil && len(p) > 0 {
		// A whole frame in the caller's own slice needs no copy.
		if len(z.pending) == 0 && len(p) >= frameSize {
			z.writeFrame(p[:frameSize])
			p, written = p[frameSize:], written+frameSize
			continue
		}
		n := min(len(p), frameSize-len(z.pending))
		z.pending = append(z.pending, p[:n]...)
		p, written = p[n:], written+n
		if len(z.pending) == frameSize {
			z.writeFrame(z.pending)
			z.pending = z.pending[:0]
		}
	}
	return written, z.err
}

func (z *zstdWriter) writeFrame(data []byte) {
	z.frame = encoders[z.level]().EncodeAll(data, z.frame[:0])
	z.table = z.table.add(len(z.frame), len(data))
	_, z.err = z.w.Write(z.frame)
}

// Close writes the last frame and the seek table and closes the writer below.
func (z *zstdWriter) Close() error {
	if z.err == nil && len(z.pending) > 0 {
		z.writeFrame(z.pending)
	}
	if z.err == nil {
		_, z.err = z.w.Write(z.table.encode())
	}
	if z.err != nil {
		return z.err
	}
	z.err = ErrClosed
	return z.w.Close()
}
