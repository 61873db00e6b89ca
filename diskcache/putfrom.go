package diskcache

import (
	"context"
	"fmt"
	"io"
)

// PutFrom is [Cache.Put] of what r delivers: size bytes, or up to its end if size is
// negative. It needs some 2 MiB of memory, however much that is.
//
// Nothing is inserted unless all of it came: the error is then r's, [ErrIncomplete], or
// ctx's, which is looked at between two reads. As after every error but [ErrFenced] and
// [ErrClosed], what was cached under the key before is forgotten; who wants to keep it
// uses [Cache.Create] and Abort.
func (c *Cache) PutFrom(ctx context.Context, key string, r io.Reader, size int64, m Meta, f Fence) error {
	w, err := c.Create(key, size, f)
	if err != nil {
		return err
	}
	defer w.Abort() // also if r panics
	if failed := w.copy(ctx, r); w.err == nil {
		w.err = failed
	}
	return w.Commit(m)
}

// copy writes what r delivers, to its end or as long as it is of use.
func (w *Writer) copy(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 64<<10)
	for w.err == nil {
		if ctx.Err() != nil {
			return fmt.Errorf("diskcache: the stream was called off: %w", context.Cause(ctx))
		}
		n, err := r.Read(buf)
		w.take(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("diskcache: the stream failed: %w", err)
		}
	}
	return nil
}
