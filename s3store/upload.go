package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

const (
	// prefixSize is the fixed prefix of an envelope, which ends with its object id:
	// what a Put looks for when it reads back.
	prefixSize = 48
	// abortTime bounds the cleaning up behind a failed upload.
	abortTime = 30 * time.Second
)

// upload takes an envelope as it is sealed: one PUT if it is not more than a part,
// a multipart upload otherwise. It is an io.Writer for one goroutine.
type upload struct {
	store  *Store
	ctx    context.Context
	change *change
	plan   plan
	meter  *meter

	buf      []byte // the part being filled
	count    int    // of the parts that were given to parts
	total    int64  // bytes written
	head     []byte // what was written first: the header, in one piece
	identity []byte
	parts    *parts // nil: one part, so far
	complete bool
	failed   error
}

func (s *Store) newUpload(ctx context.Context, c *change, p plan, m *meter) *upload {
	return &upload{store: s, ctx: ctx, change: c, plan: p, meter: m}
}

// Write implements io.Writer. A full part is sent when the next byte comes, so that
// an envelope of exactly one part is one PUT.
func (u *upload) Write(p []byte) (int, error) {
	if u.identity == nil {
		u.head, u.identity = bytes.Clone(p), bytes.Clone(p[:prefixSize])
	}
	for rest := p; len(rest) > 0; {
		if len(u.buf) == cap(u.buf) {
			if u.failed = u.next(); u.failed != nil {
				return len(p) - len(rest), u.failed
			}
		}
		n := min(len(rest), cap(u.buf)-len(u.buf))
		u.buf = append(u.buf, rest[:n]...)
		rest = rest[n:]
		u.total += int64(n)
	}
	return len(p), nil
}

// next sends the part at hand, if there is one, and makes room for another.
func (u *upload) next() error {
	if len(u.buf) > 0 {
		if err := u.flush(); err != nil {
			return err
		}
	}
	size, err := u.plan.part(u.count, u.total)
	if err != nil {
		return err
	}
	if u.parts == nil {
		u.buf = u.store.buffer(size)
	} else {
		u.buf = u.parts.buffer(size)
	}
	return nil
}

func (u *upload) flush() error {
	if u.parts == nil {
		if err := u.create(types.ChecksumAlgorithmCrc32c); err != nil {
			return err
		}
	}
	u.count++
	data := u.buf
	u.buf = nil
	return u.parts.upload(u.count, data)
}

// create begins a multipart upload. It is safe to repeat: what nobody knows of, as
// its answer was lost, holds no part, and [Store.CleanUploads] finds it.
func (u *upload) create(sums types.ChecksumAlgorithm) error {
	u.change.begin()
	s := u.store
	out, err := call(u.ctx, s, 0, func(ctx context.Context) (*s3.CreateMultipartUploadOutput, error) {
		in := &s3.CreateMultipartUploadInput{
			Bucket: &s.bucket, Key: &u.change.key, ContentType: aws.String(contentType), ChecksumAlgorithm: sums,
		}
		s.options.ServerSide.create(in)
		out, err := s.client.CreateMultipartUpload(ctx, in, once)
		if err == nil && aws.ToString(out.UploadId) == "" {
			err = errHollow
		}
		return out, s3Error(ctx, err)
	})
	if err != nil {
		return err
	}
	u.parts = s.newParts(u.ctx, u.change.key, *out.UploadId, u.meter)
	return s.options.ServerSide.check(out.ServerSideEncryption, out.SSEKMSKeyId)
}

// commit makes what was written the object.
func (u *upload) commit(when condition) (written, error) {
	if u.parts == nil {
		out, err := u.change.commit(u.ctx, u.put(when))
		if err == nil {
			u.meter.sent(u.total)
		}
		return out, err
	}
	if len(u.buf) > 0 {
		if err := u.flush(); err != nil {
			return written{}, err
		}
	}
	done, err := u.parts.wait()
	if err != nil {
		return written{}, err
	}
	out, err := u.change.commit(u.ctx, u.completion(when, done))
	u.complete = err == nil
	return out, err
}

func (u *upload) put(when condition) commit {
	s, sealed := u.store, u.buf
	return commit{identity: u.identity, when: when, size: int64(len(sealed)),
		send: func(ctx context.Context, when condition) (written, error) {
			in := &s3.PutObjectInput{
				Bucket: &s.bucket, Key: &u.change.key, Body: bytes.NewReader(sealed),
				ContentLength: aws.Int64(int64(len(sealed))), ContentType: aws.String(contentType),
				// Given as a header, since a trailer is not verified by every server.
				ChecksumCRC32C: aws.String(crc32c(sealed)),
				IfNoneMatch:    when.ifNoneMatch(), IfMatch: when.ifMatch(),
			}
			s.options.ServerSide.put(in)
			out, err := s.client.PutObject(ctx, in, when.call, unsigned)
			if err != nil {
				return written{}, err
			}
			w := written{aws.ToString(out.ETag), versionOf(out.VersionId), serverTime(out.ResultMetadata)}
			return w, s.accept(w, out.ServerSideEncryption, out.SSEKMSKeyId)
		}}
}

func (u *upload) completion(when condition, done []types.CompletedPart) commit {
	s := u.store
	// S3 puts parts together while the client waits: a quarter of a second for each, if
	// it takes as long as the slowest.
	return commit{identity: u.identity, when: when, onlyOnce: true, size: int64(len(done)) * perTimeout / 128,
		send: func(ctx context.Context, when condition) (written, error) {
			out, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
				Bucket: &s.bucket, Key: &u.change.key, UploadId: &u.parts.id,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
				IfNoneMatch:     when.ifNoneMatch(), IfMatch: when.ifMatch(),
			}, once)
			if err != nil {
				return written{}, err
			}
			w := written{aws.ToString(out.ETag), versionOf(out.VersionId), serverTime(out.ResultMetadata)}
			return w, s.accept(w, out.ServerSideEncryption, out.SSEKMSKeyId)
		}}
}

// accept believes an answer that has what S3's answers have.
func (s *Store) accept(w written, sse types.ServerSideEncryption, keyID *string) error {
	if w.etag == "" {
		return errHollow // whether it was stored, this does not say
	}
	return s.options.ServerSide.check(sse, keyID)
}

// abandon takes the parts of an upload that did not become an object away. It does
// so when the caller's context has ended, too: parts are billed until somebody does.
//
// After a lost answer it settles what can be settled: an upload that is gone cannot
// be completed any more.
func (u *upload) abandon() {
	if u.parts == nil {
		return
	}
	u.parts.close() // a part that is still on its way would survive the abort
	if u.complete {
		return
	}
	s := u.store
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTime)
	defer cancel()
	err := s.abort(ctx, u.change.key, u.parts.id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		s.log.Warn("s3store: an upload is left behind, CleanUploads removes it", "error", err)
	}
}

func (s *Store) abort(ctx context.Context, key, id string) error {
	_, err := call(ctx, s, 0, func(ctx context.Context) (*s3.AbortMultipartUploadOutput, error) {
		out, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &s.bucket, Key: &key, UploadId: &id,
		}, once)
		if err == nil && hollow(out.ResultMetadata) {
			err = errHollow
		}
		if isCode(err, "NoSuchUpload") {
			return out, reason{ErrNotFound, "", err}
		}
		return out, s3Error(ctx, err)
	})
	if err != nil {
		return fmt.Errorf("aborting an upload: %w", err)
	}
	return nil
}

const contentType = "application/octet-stream"

// serverTime is the Date of S3's answer, which S3 takes for LastModified too.
func serverTime(m middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(m); ok {
		return t.UTC().Truncate(time.Second)
	}
	return time.Now().UTC().Truncate(time.Second)
}
