package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hipaakit/hipaakit/envelope"
)

// splice fills u with header and what follows the first replaces bytes of the object
// old. Up to two parts go through this process; of what is larger only the first,
// because no part but the last may be smaller than 5 MiB.
func (u *upload) splice(old Info, header []byte, replaces int64) error {
	through := old.SealedSize
	if through > 2*u.plan.least {
		through = u.plan.least
	}
	u.buf = make([]byte, int64(len(header))+through-replaces)
	copy(u.buf, header)
	if err := u.through(old, u.buf[len(header):], replaces, through == old.SealedSize); err != nil {
		return err
	}
	u.total = int64(len(header)) + old.SealedSize - replaces
	if through == old.SealedSize {
		return nil
	}
	if err := u.flush(); err != nil {
		return err
	}
	return u.copyRest(old, through)
}

// through fetches what goes through this process into p. A byte that is damaged on
// the way would be stored as damaged for good, and nobody would have been told: so
// what is the whole object is opened first, and of a part, which cannot be, two
// answers are compared.
func (u *upload) through(old Info, p []byte, off int64, whole bool) error {
	object := pinned{u.store, old}
	verified := func() (struct{}, error) {
		if err := object.fetch(u.ctx, p, off); err != nil {
			return struct{}{}, err
		}
		if whole {
			return struct{}{}, u.verify(old)
		}
		again := make([]byte, len(p))
		if err := object.fetch(u.ctx, again, off); err != nil {
			return struct{}{}, err
		}
		if !bytes.Equal(p, again) {
			return struct{}{}, old.unreadable(u.ctx, "rewrap", fmt.Errorf("%w: two answers differ", envelope.ErrCorrupt))
		}
		return struct{}{}, nil
	}
	_, err := twice(u.store, verified)
	return err
}

// verify opens the envelope at hand.
func (u *upload) verify(old Info) error {
	s := u.store
	r, err := envelope.NewReader(u.ctx, bytes.NewReader(u.buf), s.keyring, s.binding(old.Key))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		return old.unreadable(u.ctx, "rewrap", err)
	}
	return nil
}

// copyRest lets S3 copy what is behind the first bytes of old.
func (u *upload) copyRest(old Info, from int64) error {
	each := min(max(u.plan.copied, old.SealedSize/int64(u.plan.parts-1)+1), u.plan.most)
	for from < old.SealedSize {
		n := min(each, old.SealedSize-from)
		if rest := old.SealedSize - from - n; rest > 0 && rest < u.plan.least {
			n = old.SealedSize - from - u.plan.least // a last part of a few bytes would be legal, and silly
		}
		u.count++
		if err := u.parts.copy(u.count, old, from, n); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// copy has S3 copy n bytes of old as part number part.
func (p *parts) copy(part int, old Info, from, n int64) error {
	in := &s3.UploadPartCopyInput{
		Bucket: &p.store.bucket, Key: &p.key, UploadId: &p.id, PartNumber: aws.Int32(int32(part)),
		CopySource: aws.String(copySource(p.store.bucket, old)), CopySourceIfMatch: &old.ETag,
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", from, from+n-1)),
	}
	return p.start(maxParallel, func() (types.CompletedPart, error) {
		out, err := call(p.ctx, p.store, n, func(ctx context.Context) (*types.CopyPartResult, error) {
			out, err := p.store.client.UploadPartCopy(ctx, in, once)
			switch {
			case statusOf(err) == http.StatusPreconditionFailed && ctx.Err() == nil:
				return nil, reason{ErrChanged, "", err}
			case err == nil && (out.CopyPartResult == nil || aws.ToString(out.CopyPartResult.ETag) == ""):
				err = errHollow
			}
			if err != nil {
				return nil, gone(s3Error(ctx, err))
			}
			return out.CopyPartResult, p.store.options.ServerSide.check(out.ServerSideEncryption, out.SSEKMSKeyId)
		})
		if err != nil {
			return types.CompletedPart{}, err
		}
		return types.CompletedPart{PartNumber: in.PartNumber, ETag: out.ETag, ChecksumCRC32C: out.ChecksumCRC32C}, nil
	})
}

// gone makes an object that is not there any more one that has changed.
func gone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return reason{ErrChanged, "", err}
	}
	return err
}

// copySource is bucket and key as S3 wants them in a header: percent-encoded, which
// the SDK leaves to its caller.
func copySource(bucket string, old Info) string {
	source := percent(bucket) + "/" + percent(old.Key)
	if old.Version != "" {
		source += "?versionId=" + percent(old.Version)
	}
	return source
}

func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
