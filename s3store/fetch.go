package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

var (
	errNotModified = errors.New("not modified")
	// errRewrapped comes with the known data under its new name: another header, the
	// same sealing. What follows the header is not read.
	errRewrapped = errors.New("re-wrapped")
)

// fetch reads and opens the object. If something is known of it already, it may
// answer errNotModified or errRewrapped instead.
//
// It says [ErrCorrupt] when two answers did not verify: one may have been damaged on
// the way, or in S3's memory, where the object is not.
func (s *Store) fetch(ctx context.Context, key, version string, known Object) (Object, error) {
	in := s3.GetObjectInput{Bucket: &s.bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	if known.ETag != "" {
		in.IfNoneMatch = &known.ETag
	}
	return twice(s, func() (Object, error) {
		return call(ctx, s, 0, func(ctx context.Context) (Object, error) {
			return s.get(ctx, in, known)
		})
	})
}

// twice reads again what did not verify.
func twice[T any](s *Store, read func() (T, error)) (T, error) {
	out, err := read()
	if unverified(err) {
		s.stats.retries.Add(1)
		return read()
	}
	return out, err
}

// unverified reports whether an answer may have been damaged on its way. The name of a
// key is believed only when the key has been tried: a damaged one is that of a key that
// nobody has.
func unverified(err error) bool {
	return errors.Is(err, envelope.ErrCorrupt) || errors.Is(err, ErrCorrupt) || errors.Is(err, envelope.ErrKeyUnknown)
}

// get is one GET.
func (s *Store) get(ctx context.Context, in s3.GetObjectInput, known Object) (Object, error) {
	out, err := s.client.GetObject(ctx, &in, envelopes)
	if known.ETag != "" && statusOf(err) == http.StatusNotModified {
		return Object{}, errNotModified
	}
	if err != nil {
		return Object{}, notThere(ctx, err)
	}
	defer out.Body.Close()
	if aws.ToString(out.ETag) == "" {
		return Object{}, s3Error(ctx, errHollow)
	}
	s.extend(ctx, aws.ToInt64(out.ContentLength))
	return s.open(ctx, *in.Key, out, known)
}

func (s *Store) open(ctx context.Context, key string, out *s3.GetObjectOutput, known Object) (Object, error) {
	info := s.infoOf(key, out)
	r, err := envelope.NewReader(ctx, body{ctx, out.Body}, s.keyring, s.binding(key))
	if err != nil {
		return Object{}, info.unreadable(ctx, "get", err)
	}
	i := r.Info()
	info.Size, info.ID, info.KeyID, info.Metadata = i.Size, i.ID, i.Key, i.Metadata
	if known.ETag != "" && known.ID == info.ID {
		info.Size = known.Size
		return Object{Info: info, Data: known.Data}, errRewrapped
	}
	most := min(s.options.MaxInMemory, s.options.MaxObject)
	if info.Size > most || info.Size < 0 && info.SealedSize/maxRatio > most {
		return Object{}, tooLarge(most)
	}
	plain, err := readAll(r, max(info.Size, 0), most)
	if errors.Is(err, ErrTooLarge) {
		return Object{}, err
	}
	if err != nil {
		return Object{}, info.unreadable(ctx, "get", err)
	}
	info.Size = int64(len(plain))
	return Object{Info: info, Data: diskcache.NewView(plain)}, nil
}

// maxRatio bounds how much longer than its data an envelope can be that does not
// begin with a size: those are streams of megabytes.
const maxRatio = 2

// readAll reads r, of which size bytes are expected (0: unknown).
func readAll(r io.Reader, size, most int64) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(r, most+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > most {
		return nil, tooLarge(most)
	}
	return tight(buf.Bytes()), nil
}

func tooLarge(most int64) error {
	return fmt.Errorf("%w: more than %d bytes; read it with Open", ErrTooLarge, most)
}

func (s *Store) infoOf(key string, out *s3.GetObjectOutput) Info {
	if suspicious(out.ServerSideEncryption) {
		s.log.Warn("s3store: S3 names an encryption that this store never asks for", "encryption", out.ServerSideEncryption)
	}
	return Info{Key: key, ETag: aws.ToString(out.ETag), Version: versionOf(out.VersionId),
		SealedSize: totalSize(out), Modified: aws.ToTime(out.LastModified).UTC()}
}

// unreadable says what it means that opening an object, read under ctx, failed.
func (i Info) unreadable(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return reason{context.Cause(ctx), "", err}
	}
	return &Error{Op: op, Key: i.Key, ETag: i.ETag, Version: i.Version, Err: sealError(err)}
}

// body tells an answer that broke off from an object that is too short: both end
// in io.ErrUnexpectedEOF, and only the first is worth another try.
type body struct {
	ctx context.Context
	r   io.Reader
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	switch {
	case err == nil || err == io.EOF:
	case b.ctx.Err() != nil:
		err = reason{context.Cause(b.ctx), "", brokenOff{err}}
	default:
		err = reason{ErrUnavailable, "the answer broke off", brokenOff{err}}
	}
	return n, err
}

// brokenOff hides io.ErrUnexpectedEOF from those who take it for their own.
type brokenOff struct{ error }
