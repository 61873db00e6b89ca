package s3store

import "context"

// Copy seals the data of one object anew under another key, or under its own, and
// with its metadata, unless o has some. The data goes through this process, in
// bounded memory: an envelope opens under the name that it was sealed for and under
// no other, and a copy with the same data key would be that of a key that may be
// rotated away because of its exposure.
//
// It reads one object from beginning to end: if that is replaced meanwhile, on a
// bucket that keeps no versions, the answer is [ErrChanged]. Other errors are those
// of [Store.Open] and [Store.Put].
func (s *Store) Copy(ctx context.Context, from, to string, o PutOptions) (Info, error) {
	in, err := s.Open(ctx, from)
	if err != nil {
		return Info{}, renamed("copy", err)
	}
	defer in.Close()
	if o.Metadata == nil {
		o.Metadata = in.Info().Metadata
	}
	o.Size = in.Size()
	source := &copying{in: in}
	info, err := s.put(ctx, to, source, o)
	if source.err != nil {
		return Info{}, renamed("copy", source.err)
	}
	return info, failure("copy", to, err)
}

// copying remembers why the source failed: that is S3's trouble here, not the
// caller's.
type copying struct {
	in  *File
	err error
}

func (c *copying) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if _, ours := err.(*Error); ours {
		c.err = err
	}
	return n, err
}

// renamed is an error of the store under the name of the operation that it ends.
func renamed(op string, err error) error {
	if e, ok := err.(*Error); ok {
		again := *e
		again.Op = op
		return &again
	}
	return err
}
