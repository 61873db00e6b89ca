package s3store

import "context"

// Copy seals the data of one object anew under another key, or under its own, and
// with its metadata, unless o has some. The data goes through this process, in
// bounded memory: an envelope opens under the name that it was sealed for and under
// no other, and a copy with the same data key would be that of a key that may be
// rotated away because of its exposure.
//
// It reads one object from beginning to end: if that is replaced while it is being
// read, on a bucket that keeps no versions, the answer is [ErrChanged]. Onto its own key
// it replaces the object that it has read and no other: that is [ErrChanged] as well, on
// every bucket. What could not be confirmed because S3 is away is not copied, whatever
// [Options.StaleIfUnavailable] says: [ErrUnavailable]. Other errors are those of
// [Store.Open] and [Store.Put].
func (s *Store) Copy(ctx context.Context, from, to string, o PutOptions) (Info, error) {
	in, err := s.Open(ctx, from)
	if err != nil {
		return Info{}, renamed("copy", err)
	}
	defer in.Close()
	if in.Info().Stale { // it would be the newest object from then on
		return Info{}, failure("copy", from, reason{ErrUnavailable, "the source cannot be confirmed", nil})
	}
	if from == to && o.IfMatch == "" && !o.IfAbsent {
		o.IfMatch = in.Info().ETag
	}
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
