package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// headBytes is what Open reads first: every header fits, and a small object.
	headBytes = 128 << 10
	// openWhole is up to which sealed size Open prefers the whole object, through the
	// cache, to ranges of it: it takes hardly longer, and the next reader finds it.
	openWhole = 4 << 20
)

// OpenOptions says how an object is read. The zero value is good.
type OpenOptions struct {
	// Version is the version id of an older object; see [Store.Versions]. Default:
	// the current object.
	Version string
	// Progress is told how far [File.Read] and [File.WriteTo] are.
	Progress func(Progress)
}

// Open returns a reader of the object of key. It reads what is needed, verified
// range by range, and holds less than 20 MiB, and of the object's index 64 MiB for
// each TiB.
//
// An object that is in the cache is read from there, however large it is. One that is
// not, and whose envelope has at most 4 MiB, is read and cached as by [Store.Get]. Of a
// larger one only ranges are fetched, each for exactly the object that was opened (by
// ETag, and by version id where the bucket keeps versions). It is cached if it is read
// from its beginning to its end without a gap; the ranges of others are not, as they
// would push out what is small and read often.
//
// ctx bounds the reading, until [File.Close]. Errors are those of [Store.Get], without
// ErrTooLarge.
func (s *Store) Open(ctx context.Context, key string) (*File, error) {
	return s.OpenWith(ctx, key, OpenOptions{})
}

// OpenWith is [Store.Open] with options.
func (s *Store) OpenWith(ctx context.Context, key string, o OpenOptions) (*File, error) {
	f, err := s.openFile(ctx, key, o)
	if err != nil {
		if o.Version == "" {
			s.outlived(key, err)
		}
		return nil, failure("open", key, err)
	}
	f.meter = newMeter(o.Progress, f.Size())
	return f, nil
}

func (s *Store) openFile(ctx context.Context, key string, o OpenOptions) (*File, error) {
	if o.Version != "" {
		if err := checkKey(key); err != nil {
			return nil, err
		}
		return s.openRanges(ctx, key, o.Version)
	}
	fresh := s.fresh(key)
	found, suspect, ok := s.cached(key)
	if ok && fresh && !suspect && !s.closed.Load() {
		s.stats.hits.Add(1)
		return newFile(found), nil
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if ok {
		o, err := s.ask(ctx, key, fresh, found)
		if err == nil {
			return newFile(o), nil
		}
		if !errors.Is(err, ErrTooLarge) {
			return nil, err
		}
	}
	if r, info, suspect, ok := s.large(key); ok {
		return s.openKept(ctx, r, info, fresh && !suspect)
	}
	return s.openRanges(ctx, key, "")
}

// openRanges looks at the first bytes and decides.
func (s *Store) openRanges(ctx context.Context, key, version string) (*File, error) {
	fill := s.newFill(key, version)
	head, info, err := s.head(ctx, key, version, "")
	if err != nil {
		return nil, err
	}
	return s.openHead(ctx, head, info, version, fill)
}

func (s *Store) openHead(ctx context.Context, head []byte, info Info, version string, fill *fill) (*File, error) {
	key := info.Key
	if s.cache != nil && version == "" && info.SealedSize <= openWhole {
		o, err := s.ask(ctx, key, s.fresh(key), Object{})
		if err == nil {
			return newFile(o), nil
		}
		if !errors.Is(err, ErrTooLarge) {
			return nil, err
		}
	}
	f, err := s.openPinned(ctx, head, info)
	if err == nil {
		f.fill = fill
	}
	return f, err
}

func (s *Store) openPinned(ctx context.Context, head []byte, info Info) (*File, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	f := &File{store: s, info: info, last: -1, ctx: ctx, cancel: cancel, stop: context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })}
	f.ranges = newRangeReader(ctx, s, info)
	f.ranges.ahead.head.Store(&head)
	i, err := f.ranges.open()
	if err == nil {
		f.info.Size, f.info.ID, f.info.KeyID, f.info.Metadata = i.Size, i.ID, i.Key, i.Metadata
		f.data, f.size = f.ranges, i.Size
		err = s.files.add(ctx, f)
	}
	if err != nil {
		err = info.unreadable(ctx, "open", err) // before the context is ended here
		f.Close()
		return nil, err
	}
	return f, nil
}

// head reads the first bytes of an object, and what S3 says about it. If it is still
// the one of the ETag known, it answers errNotModified instead.
func (s *Store) head(ctx context.Context, key, version, known string) ([]byte, Info, error) {
	ctx, release, err := s.work(ctx)
	if err != nil {
		return nil, Info{}, err
	}
	defer release()
	in := s3.GetObjectInput{Bucket: &s.bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=0-%d", headBytes-1))}
	if version != "" {
		in.VersionId = &version
	}
	if known != "" {
		in.IfNoneMatch = &known
	}
	var info Info
	head, err := call(ctx, s, headBytes, func(ctx context.Context) ([]byte, error) {
		out, err := s.client.GetObject(ctx, &in, envelopes)
		if known != "" && statusOf(err) == http.StatusNotModified {
			return nil, errNotModified
		}
		if err != nil {
			return nil, notThere(ctx, err)
		}
		defer out.Body.Close()
		if aws.ToString(out.ETag) == "" {
			return nil, s3Error(ctx, errHollow)
		}
		s.stats.ranges.Add(1)
		info = s.infoOf(key, out)
		head, err := io.ReadAll(io.LimitReader(body{ctx, out.Body}, headBytes))
		if err == nil && int64(len(head)) != min(info.SealedSize, headBytes) {
			err = s3Error(ctx, errHollow)
		}
		return head, err
	})
	return head, info, err
}
