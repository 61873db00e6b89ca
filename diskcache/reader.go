package diskcache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"
)

// Info is what is known of an entry besides its data.
type Info struct {
	Meta
	Size   int64     // of the data, in bytes
	Stored time.Time // when it was stored, by this machine's clock

	// Suspect is as in [Entry]: the source must confirm Version before the
	// data are used.
	Suspect bool
}

// Reader reads one entry, or ranges of it: an [io.ReaderAt], [io.ReadSeekCloser] and
// [io.WriterTo], fit for http.ServeContent. It reads and opens the chunks that a
// range lies in (of at most 1 MiB each), keeps one of them, and so needs little
// memory however large the entry is.
//
// Every byte it returns is authenticated, and of the version that Info names. A
// Reader does not keep its entry alive, since a slow download would then keep space
// that belongs to others: should the entry go, the Reader follows it if it was only
// moved, and fails with [ErrGone] otherwise. A dropped or replaced entry can often
// be read to its end, as what was current when it was opened; a shredded one cannot:
// a call that begins after [Cache.ShredGroup] or [Cache.Shred] has returned returns
// no byte of it. Except after a disk that was bypassed for a while, a failure is
// final.
//
// ReadAt is safe for concurrent use. Read, Seek and WriteTo are for one goroutine.
type Reader struct {
	cache *Cache
	info  Info
	hash  uint64
	seed  *hashSeed // Shred makes another
	group groupID

	data   View                    // if in memory,
	record atomic.Pointer[located] // else this

	kept   atomic.Pointer[openChunk]
	failed atomic.Pointer[error]
	pos    int64
}

// openChunk is the chunk that was read last, in plaintext: whoever reads from
// front to back in small pieces must not have it opened for each of them.
type openChunk struct {
	n    int
	data []byte
}

// Info returns what is known of the entry, as of [Cache.Open].
func (r *Reader) Info() Info { return r.info }

// Size returns the length of the data in bytes.
func (r *Reader) Size() int64 { return r.info.Size }

// ReadAt implements [io.ReaderAt]. Errors are [ErrGone], [ErrClosed],
// [fs.ErrClosed], and [ErrInvalid] for a negative offset.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("%w: negative offset", ErrInvalid)
	}
	if err := r.failed.Load(); err != nil {
		return 0, *err
	}
	if off >= r.info.Size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.info.Size-off)]
	n, err := r.fill(want, off)
	if err == nil && len(want) < len(p) {
		err = io.EOF
	}
	return n, err
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.ReadAt(p, r.pos)
	r.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil // with the next call
	}
	return n, err
}

// Seek implements [io.Seeker].
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.info.Size
	default:
		return 0, fmt.Errorf("%w: whence %d", ErrInvalid, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("%w: negative offset", ErrInvalid)
	}
	r.pos = offset
	return offset, nil
}

// WriteTo implements [io.WriterTo]: from where the Reader is to the end. It asks
// before each piece whether the entry may still be read.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	type onlyReader struct{ io.Reader } // else Copy would call this again
	type onlyWriter struct{ io.Writer }
	return io.CopyBuffer(onlyWriter{w}, onlyReader{r}, make([]byte, max(1, min(maxChunk, r.info.Size-r.pos))))
}

// Close gives back memory. Later calls answer [fs.ErrClosed]; a second Close does
// nothing.
func (r *Reader) Close() error {
	r.fail(fs.ErrClosed)
	return nil
}

func (r *Reader) fail(err error) {
	if r.failed.CompareAndSwap(nil, &err) || errors.Is(err, fs.ErrClosed) {
		r.failed.Store(&err)
	}
	r.kept.Store(nil)
}

// Format implements fmt.Formatter: the data are not shown.
func (r *Reader) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "diskcache.Reader(version %q, %d bytes)", r.info.Version, r.info.Size)
}

// LogValue implements slog.LogValuer.
func (r *Reader) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }
