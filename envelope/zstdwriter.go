package envelope

import (
	"sync"

	"github.com/hipaakit/hipaakit/internal/forkjoin"
)

// framesTogether is what several cores compress before they meet again, 4 MiB: long
// enough that waiting for the last one hardly shows, and little memory. More than 16
// cores do not help a single stream.
const framesTogether = 16

// batchFrames is how many frames are worked on at once. A core by itself takes one
// after the other: what it has just compressed is still in its cache when it is
// sealed.
func batchFrames() int {
	if forkjoin.Workers() == 1 {
		return 1
	}
	return framesTogether
}

// oneShotFrames is as many where all of the data is in memory already. Frames differ
// in cost, those that are stored take next to nothing: the more there are, the less
// the cores wait for the last one.
func oneShotFrames() int {
	if forkjoin.Workers() == 1 {
		return 1
	}
	return 4 * framesTogether
}

// zstdWriter turns data into the seekable Zstandard format, a batch of frames at
// a time, on all cores.
type zstdWriter struct {
	w     body
	level Compression
	batch int // bytes of data
	pad   bool
	stop  func() error // asked before each batch
	*scratch
	data   []byte          // of the batch
	encode func(int) error // encodePiece; made once, as a method value is allocated
	table  seekTable
	total  int64 // compressed
	err    error
}

// scratch is reused between writers: growing it for each small object costs more
// than compressing it.
type scratch struct {
	head    []byte // of raw frames
	pending []byte // data, at most a batch
	frames  [][]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newZstdWriter(w body, level Compression, pad bool, stop func() error) *zstdWriter {
	z := &zstdWriter{w: w, level: level, pad: pad, stop: stop, scratch: scratches.Get().(*scratch),
		batch: batchFrames() * frameSize}
	z.encode = z.encodePiece
	return z
}

func (z *zstdWriter) Write(p []byte) (int, error) {
	written := 0
	for z.err == nil && len(p) > 0 {
		// A whole batch in the caller's own slice needs no copy.
		if len(z.pending) == 0 && len(p) >= z.batch {
			z.compress(p[:z.batch])
			p, written = p[z.batch:], written+z.batch
			continue
		}
		n := min(len(p), z.batch-len(z.pending))
		z.pending = append(z.pending, p[:n]...)
		p, written = p[n:], written+n
		if len(z.pending) == z.batch {
			z.compress(z.pending)
			z.pending = z.pending[:0]
		}
	}
	return written, z.err
}

// compress writes the frames of data. All of them but the last are full.
func (z *zstdWriter) compress(data []byte) {
	// Where it stays if the writer below panics: who recovers must not go on behind
	// a hole.
	z.err = errInterrupted
	z.err = z.compressBatch(data)
}

func (z *zstdWriter) compressBatch(data []byte) error {
	if err := z.stop(); err != nil {
		return err
	}
	n := (len(data) + frameSize - 1) / frameSize
	for len(z.frames) < n {
		z.frames = append(z.frames, nil)
	}
	z.data = data
	err := forkjoin.Do(n, z.encode)
	for i := 0; i < n && err == nil; i++ {
		err = z.writeFrame(z.frames[i], z.piece(i))
	}
	z.data = nil
	return err
}

// piece is the data of frame i of the batch.
func (z *zstdWriter) piece(i int) []byte {
	return z.data[i*frameSize : min((i+1)*frameSize, len(z.data))]
}

// encodePiece leaves an empty frame for what is to be stored.
func (z *zstdWriter) encodePiece(i int) error {
	z.frames[i] = z.frames[i][:0]
	if !looksRandom(z.piece(i)) {
		z.frames[i] = encodeFrame(z.level, z.piece(i), z.frames[i])
	}
	return nil
}

// writeFrame writes a frame, or data as it is if there is none.
func (z *zstdWriter) writeFrame(frame, data []byte) (err error) {
	n := len(frame)
	if n > 0 {
		_, err = z.w.Write(frame)
	} else {
		n = rawFrameSize(len(data))
		z.head, err = writeRawFrame(z.w, data, z.head)
	}
	z.table = z.table.add(n, len(data))
	z.total += int64(n)
	return err
}

// Finish is Write of the last of the data, and Close, without a copy.
func (z *zstdWriter) Finish(p []byte) error {
	if z.err == nil && len(z.pending) > 0 {
		z.Write(p) // its error sticks, and Close repeats it
		p = nil
	}
	for z.err == nil && len(p) > 0 {
		n := min(len(p), oneShotFrames()*frameSize)
		z.compress(p[:n])
		p = p[n:]
	}
	return z.Close()
}

// Close writes the last frames and the seek table and closes the writer below.
func (z *zstdWriter) Close() error {
	if z.err == nil && len(z.pending) > 0 {
		z.compress(z.pending)
	}
	if z.err != nil {
		return z.err
	}
	z.pending = z.pending[:0]
	scratches.Put(z.scratch)
	z.scratch, z.err = nil, ErrClosed
	table := z.table.encode()
	if z.pad {
		if err := z.writePadding(z.total + int64(len(table))); err != nil {
			return err
		}
	}
	return z.w.Finish(table)
}

// writePadding writes a skippable frame, in front of the seek table since readers
// look for that at the end. n is the length of all the rest.
func (z *zstdWriter) writePadding(n int64) error {
	head, zeros, err := padFrame(n)
	if err != nil {
		return err
	}
	if _, err := z.w.Write(head); err != nil {
		return err
	}
	return writeZeros(z.w, zeros)
}
