package s3store

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

const (
	// readChunk is how much data is opened at once for who reads from front to back.
	readChunk = 1 << 20
	// writeChunk keeps all cores busy.
	writeChunk = 2 << 20
)

// File is an open object: an io.ReadSeekCloser, io.ReaderAt and io.WriterTo, fit
// for http.ServeContent. What it returns is verified; of an object that is replaced
// meanwhile it goes on reading the version that it opened, if the bucket keeps
// versions, and otherwise answers [ErrChanged].
//
// ReadAt is safe for concurrent use, Read, Seek and WriteTo are for one goroutine.
// It must be closed.
type File struct {
	store  *Store // nil: from memory
	info   Info
	data   io.ReaderAt
	size   int64
	meter  *meter
	ranges *rangeReader // nil: from memory, or from the cache
	kept   *kept        // nil: not from the cache's disk
	fill   *fill        // nil: what is read is not cached

	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   func() bool
	once   sync.Once

	pos   int64
	last  int64 // where the last Read ended
	ahead openAhead
}

func newFile(o Object) *File {
	f := &File{info: o.Info, data: o.Data.Reader(), size: o.Size, last: -1, stop: func() bool { return true }}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f
}

// Info is what is known of the object.
func (f *File) Info() Info { return f.info }

// Size of the data in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt implements [io.ReaderAt]. It fetches what is needed for p, no more.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.readAt(p, off)
	if err != nil && err != io.EOF {
		return n, failure("read", f.info.Key, err)
	}
	return n, err
}

func (f *File) readAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("%w: negative offset", ErrInvalid)
	}
	if f.ctx.Err() != nil {
		return 0, context.Cause(f.ctx)
	}
	if f.store != nil && f.store.closed.Load() {
		return 0, ErrClosed // f.ctx ends as well, a moment later
	}
	n, err := f.data.ReadAt(p, off)
	if err != nil && err != io.EOF {
		return 0, f.info.unreadable(f.ctx, "read", err)
	}
	return n, err
}

// Read implements [io.Reader]. Whoever reads on gets data that was fetched and
// opened ahead.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.read(p)
	f.fill.took(p[:n], f)
	f.pos += int64(n)
	f.last = f.pos
	f.meter.read(int64(n))
	if err != nil && err != io.EOF {
		err = failure("read", f.info.Key, err)
	}
	return n, err
}

func (f *File) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.ctx.Err() != nil { // also for what was opened ahead: its key may be destroyed
		return 0, context.Cause(f.ctx)
	}
	if n := f.ahead.copy(p, f.pos); n > 0 {
		return n, nil
	}
	if f.pos >= f.size {
		return 0, io.EOF
	}
	if f.ranges == nil || len(p) >= readChunk || f.pos != f.last {
		n, err := f.readAt(p, f.pos)
		if n > 0 && err == io.EOF {
			err = nil // with the next call
		}
		return n, err
	}
	return f.readAhead(p)
}

func (f *File) readAhead(p []byte) (int, error) {
	b := f.ahead.take(f.size - f.pos)
	if n, err := f.readAt(b, f.pos); n < len(b) {
		f.ahead.put(b[:0], 0)
		return 0, err
	}
	n := copy(p, b)
	f.ahead.put(b, f.pos)
	return n, nil
}

// forget gives up what the File has in memory: its key is destroyed, and the context
// has ended.
func (f *File) forget() {
	f.ahead.wipe()
	if f.ranges != nil {
		f.ranges.forget()
	}
	if f.kept != nil {
		f.kept.forget()
	}
}

// Seek implements [io.Seeker].
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.size
	default:
		return 0, failure("read", f.info.Key, fmt.Errorf("%w: whence %d", ErrInvalid, whence))
	}
	if offset < 0 {
		return 0, failure("read", f.info.Key, fmt.Errorf("%w: negative offset", ErrInvalid))
	}
	f.pos = offset
	return offset, nil
}

// WriteTo implements [io.WriterTo]: from where the File is to its end.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	type onlyReader struct{ io.Reader } // else Copy would call this again
	type onlyWriter struct{ io.Writer }
	return io.CopyBuffer(onlyWriter{w}, onlyReader{f}, make([]byte, max(1, min(writeChunk, f.size-f.pos))))
}

// Close ends the reading and waits for what was still being fetched. Later calls
// answer [fs.ErrClosed].
func (f *File) Close() error {
	f.once.Do(func() {
		f.cancel(fs.ErrClosed)
		f.stop()
		f.fill.abort()
		if f.store != nil {
			f.store.files.remove(f)
		}
		if f.ranges != nil {
			f.ranges.close()
		}
		if f.kept != nil {
			f.kept.close()
		}
	})
	return nil
}
