package s3store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

// Put seals what data holds and stores it under key, replacing what was there.
// When it returns without an error, S3 has the object, this node's cache too,
// and no node serves an older one. Errors: [ErrTooLarge], [ErrDenied],
// [ErrRefused], [ErrUnavailable], [ErrSource] (nothing was changed),
// [ErrOutcomeUnknown], [ErrInvalid], [ErrClosed], or what keyring or ctx answered.
func (s *Store) Put(ctx context.Context, key string, data io.Reader, o PutOptions) (Info, error) {
	info, err := s.put(ctx, key, data, o)
	return info, failure("put", key, err)
}

func (s *Store) put(ctx context.Context, key string, data io.Reader, o PutOptions) (Info, error) {
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	if data == nil {
		return Info{}, fmt.Errorf("%w: no data; use strings.NewReader(\"\") for an empty object", ErrInvalid)
	}
	plain, err := s.readAll(data, lengthOf(data))
	if err != nil {
		return Info{}, sourceError(err)
	}
	sealed, err := envelope.Seal(ctx, nil, plain, s.keyring, s.binding(key), envelope.Options{
		Compression: o.Compression, Keys: o.Keys, Name: key, Metadata: o.Metadata,
	})
	if err != nil {
		return Info{}, sealError(err)
	}
	info := Info{Key: key, Size: int64(len(plain)), SealedSize: int64(len(sealed)), Metadata: o.Metadata}
	err = s.write(ctx, key, func(ctx context.Context, c *change) error {
		out, err := s.client.PutObject(ctx, s.putInput(key, sealed), once)
		if err != nil {
			return err
		}
		if aws.ToString(out.ETag) == "" {
			return errHollow // whether it was stored, this does not say
		}
		info.ETag, info.Modified = aws.ToString(out.ETag), serverTime(out)
		c.insert(info, diskcache.NewView(plain))
		return nil
	})
	if err != nil {
		return Info{}, err
	}
	s.stats.puts.Add(1)
	return info, nil
}

// readAll reads r, of which size bytes are expected (0 or less: unknown).
func (s *Store) readAll(r io.Reader, size int64) ([]byte, error) {
	// bytes.Buffer sees the end without growing if MinRead bytes are left.
	buf := bytes.NewBuffer(make([]byte, 0, min(max(size, 0), s.options.MaxObject)+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(r, s.options.MaxObject+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > s.options.MaxObject {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.options.MaxObject)
	}
	if buf.Cap() > buf.Len()+buf.Len()/4+bytes.MinRead {
		return bytes.Clone(buf.Bytes()), nil // the cache counts what it holds, not what is behind it
	}
	return buf.Bytes(), nil
}

// sourceError tells the caller's own reader from everything else: what it says
// may look like S3's trouble, or damage, and may name a file.
func sourceError(err error) error {
	if errors.Is(err, ErrTooLarge) {
		return err
	}
	return reason{ErrSource, "", err}
}

// lengthOf is what bytes.Reader, strings.Reader and bytes.Buffer tell.
func lengthOf(r io.Reader) int64 {
	if l, ok := r.(interface{ Len() int }); ok {
		return int64(l.Len())
	}
	return 0
}

func (s *Store) putInput(key string, sealed []byte) *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(sealed),
		ContentLength: aws.Int64(int64(len(sealed))), ContentType: aws.String("application/octet-stream"),
		// Given as a header, since a trailer is not verified by every server.
		ChecksumCRC32C:       aws.String(crc32c(sealed)),
		ServerSideEncryption: types.ServerSideEncryptionAes256,
	}
	if id := s.options.ServerSide.KMSKeyID; id != "" {
		in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		in.SSEKMSKeyId, in.BucketKeyEnabled = &id, aws.Bool(true)
	}
	return in
}

func crc32c(b []byte) string {
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// serverTime is the Date of S3's answer, which S3 takes for LastModified too.
func serverTime(out *s3.PutObjectOutput) time.Time {
	if t, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		return t.UTC().Truncate(time.Second)
	}
	return time.Now().UTC().Truncate(time.Second)
}

// Delete removes the object of key; that there is none is no error. When it
// returns without one, no node serves the object any more. Errors are those of
// [Store.Put].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return failure("delete", key, err)
	}
	err := s.write(ctx, key, func(ctx context.Context, _ *change) error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}, once)
		if errors.Is(s3Error(ctx, err), ErrNotFound) {
			return nil
		}
		return err
	})
	if err == nil {
		s.stats.deletes.Add(1)
	}
	return failure("delete", key, err)
}
