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

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// maxDocument bounds what is believed to be a keyring, in bytes: 10,000 versions of
// keys are two megabytes.
const maxDocument = 16 << 20

// keyringObject keeps a keyring's document in one S3 object, which all nodes see.
type keyringObject struct {
	store *Store // for its requests alone; no envelope, no cache
	key   string
	bad   error // of the arguments
}

// KeyringObject keeps a keyring's document in an S3 object, for many nodes. It is
// changed only by conditional write: a Save that finds another document than the one
// that was loaded answers keyring.ErrChanged, and so does one that S3 could not order
// before another. A Save whose answer was lost is read back; if it cannot be told
// whether it took place, the error is [ErrOutcomeUnknown], and the document has to be
// loaded again. A revision is an ETag.
//
// The document's keys are wrapped by the keyring's protector. Still, keep the object
// in a bucket, or under a prefix, that few can write: whoever can puts back an older
// document. The key must not lie among those of a [Store] that lists or deletes by
// prefix.
//
// The storage is a keyring.History too, with
//
//	RemoveOld(ctx context.Context) error
//
// which deletes the noncurrent versions of the object (s3:DeleteObjectVersion), so
// that a key that was destroyed is not in them. Safe for concurrent use.
//
// Arguments that cannot be used are [ErrInvalid] from its methods.
func KeyringObject(client Objects, bucket, key string, sse ServerSideEncryption) keyring.Storage {
	k := &keyringObject{key: key, bad: checkKey(key)}
	switch {
	case client == nil:
		k.bad = fmt.Errorf("%w: no S3 client", ErrInvalid)
	case bucket == "":
		k.bad = fmt.Errorf("%w: no bucket", ErrInvalid)
	}
	o, err := Options{ServerSide: sse}.withDefaults()
	if k.bad == nil {
		k.bad = err
	}
	k.store = &Store{client: onlyObjects{Objects: client}, bucket: bucket, options: o, log: o.Logger}
	k.store.ctx, k.store.cancel = context.WithCancelCause(context.Background())
	return k
}

// onlyObjects is a client of which nothing else is called.
type onlyObjects struct {
	Objects
	Uploads
}

// Load implements keyring.Storage.
func (k *keyringObject) Load(ctx context.Context) (doc []byte, revision string, err error) {
	if k.bad != nil {
		return nil, "", failure("load keyring", k.key, k.bad)
	}
	doc, err = call(ctx, k.store, 0, func(ctx context.Context) ([]byte, error) {
		out, err := k.store.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &k.store.bucket, Key: &k.key}, once)
		if err != nil {
			return nil, s3Error(ctx, err)
		}
		defer out.Body.Close()
		if revision = aws.ToString(out.ETag); revision == "" {
			return nil, s3Error(ctx, errHollow)
		}
		doc, err := io.ReadAll(io.LimitReader(body{ctx, out.Body}, maxDocument+1))
		if err == nil && int64(len(doc)) != aws.ToInt64(out.ContentLength) {
			err = s3Error(ctx, errHollow)
		}
		if len(doc) > maxDocument {
			err = fmt.Errorf("%w: more than %d bytes are not a keyring", ErrTooLarge, maxDocument)
		}
		return doc, err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, "", fmt.Errorf("%w: no such object in the bucket", keyring.ErrNotFound)
	case err != nil:
		return nil, "", failure("load keyring", k.key, err)
	}
	return doc, revision, nil
}

// Save implements keyring.Storage.
func (k *keyringObject) Save(ctx context.Context, doc []byte, revision string) error {
	when := condition{absent: revision == "", etag: revision}
	err := errors.Join(k.bad, ctx.Err())
	if err == nil {
		_, _, err = k.store.run(ctx, k.key, k.put(doc, when))
	}
	switch {
	case errors.Is(err, ErrExists), errors.Is(err, ErrChanged):
		return keyring.ErrChanged
	case err != nil && statusOf(err) == http.StatusConflict && !errors.Is(err, ErrOutcomeUnknown):
		return keyring.ErrChanged
	}
	return failure("save keyring", k.key, err)
}

// put is read back by the whole document: a keyring's document has nothing random
// at its beginning. Two nodes that save the same bytes have made the same change.
func (k *keyringObject) put(doc []byte, when condition) commit {
	s := k.store
	return commit{identity: doc, whole: true, when: when, size: int64(len(doc)),
		send: func(ctx context.Context, when condition) (written, error) {
			in := &s3.PutObjectInput{
				Bucket: &s.bucket, Key: &k.key, Body: bytes.NewReader(doc), ContentType: aws.String("application/json"),
				ContentLength: aws.Int64(int64(len(doc))), ChecksumCRC32C: aws.String(crc32c(doc)),
				IfNoneMatch: when.ifNoneMatch(), IfMatch: when.ifMatch(),
			}
			s.options.ServerSide.put(in)
			out, err := s.client.PutObject(ctx, in, when.call)
			if err != nil {
				return written{}, err
			}
			w := written{etag: aws.ToString(out.ETag), version: versionOf(out.VersionId)}
			return w, s.accept(w, out.ServerSideEncryption, out.SSEKMSKeyId)
		}}
}

// RemoveOld deletes what is not current: one version by its id each, so that what is
// saved meanwhile is not touched. A bucket that keeps no versions has none.
func (k *keyringObject) RemoveOld(ctx context.Context) error {
	if k.bad != nil {
		return failure("remove old keyrings", k.key, k.bad)
	}
	var old []Version // all, before the first is deleted: S3 goes on listing from a version
	for v, err := range k.store.Versions(ctx, k.key) {
		if err != nil {
			return renamed("remove old keyrings", err)
		}
		if !v.Latest {
			old = append(old, v)
		}
	}
	for _, v := range old {
		if err := k.remove(ctx, v.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return failure("remove old keyrings", k.key, err)
		}
	}
	return nil
}

func (k *keyringObject) remove(ctx context.Context, version string) error {
	s := k.store
	_, err := call(ctx, s, 0, func(ctx context.Context) (*s3.DeleteObjectOutput, error) {
		out, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &k.key, VersionId: &version}, once)
		if err == nil && hollow(out.ResultMetadata) {
			err = errHollow
		}
		return out, s3Error(ctx, err)
	})
	return err
}
