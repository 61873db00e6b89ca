package s3store

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/envelope"
)

// Stat returns what is known of the object of key without its data: from the
// cache where that is sure to be current, else from the first bytes in S3, and the
// last if it was stored without its size known. Errors are those of [Store.Get],
// without ErrTooLarge.
func (s *Store) Stat(ctx context.Context, key string) (Info, error) {
	fresh := s.fresh(key)
	found, suspect, ok := s.cached(key)
	if ok && fresh && !suspect && !s.closed.Load() {
		return found.Info, nil
	}
	if !ok {
		if r, large, suspect, there := s.large(key); there {
			r.Close()
			if fresh && !suspect && !s.closed.Load() {
				return large, nil
			}
			found.Info = large
		}
	}
	info, err := s.stat(ctx, key)
	if err != nil {
		s.outlived(key, err)
		var o Object
		o, err = s.orStale(Object{}, found, err)
		info = o.Info
	}
	return info, failure("stat", key, err)
}

func (s *Store) stat(ctx context.Context, key string) (Info, error) {
	l, err := s.look(ctx, key, "")
	if err != nil || l.info.Size >= 0 {
		return l.info, err
	}
	f, err := s.openPinned(ctx, l.head, l.info)
	if err != nil {
		return Info{}, err
	}
	return f.Info(), f.Close()
}

// looked is what the first bytes of an object tell.
type looked struct {
	info Info
	head []byte
	keys []envelope.KeyID
}

func (s *Store) look(ctx context.Context, key, version string) (looked, error) {
	if err := checkKey(key); err != nil {
		return looked{}, err
	}
	return twice(s, func() (looked, error) {
		head, info, err := s.head(ctx, key, version, "")
		if err != nil {
			return looked{}, err
		}
		r, err := envelope.NewReader(ctx, bytes.NewReader(head), s.keyring, s.binding(key))
		if err != nil {
			return looked{}, info.unreadable(ctx, "stat", err)
		}
		i := r.Info()
		info.Size, info.ID, info.KeyID, info.Metadata = i.Size, i.ID, i.Key, i.Metadata
		return looked{info, head, i.Keys}, nil
	})
}

// notThere is what it means that an object, or a version of one, cannot be read.
func notThere(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		switch {
		case statusOf(err) == http.StatusRequestedRangeNotSatisfiable:
			return reason{ErrCorrupt, "the object is empty", err} // it has no first byte
		case statusOf(err) == http.StatusMethodNotAllowed:
			return reason{ErrNotFound, "that version is a deletion", err}
		case isCode(err, "NoSuchVersion"), isCode(err, "InvalidArgument"):
			return reason{ErrNotFound, "no such version", err}
		}
	}
	return s3Error(ctx, err)
}

// totalSize is the object's length out of "bytes 0-99/1234"; of an answer
// without a range, its own.
func totalSize(out *s3.GetObjectOutput) int64 {
	_, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/")
	if n, err := strconv.ParseInt(total, 10, 64); ok && err == nil {
		return n
	}
	return aws.ToInt64(out.ContentLength)
}
