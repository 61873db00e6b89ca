package s3store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Version is one moment in the life of a key, on a bucket that keeps versions.
type Version struct {
	Key        string
	ID         string // what [Store.GetVersion], [OpenOptions] and [Store.Restore] want
	ETag       string // empty if Deleted
	SealedSize int64  // of the envelope in S3, in bytes
	Modified   time.Time
	Latest     bool // the current one; if Deleted as well, there is no object
	Deleted    bool // the key was deleted at that time
}

// Versions goes through what S3 has kept of key, the newest first. A bucket that
// keeps no versions has one, "null", if there is an object. After an error, which
// comes with a zero Version, the sequence ends. Errors are those of [Store.Get].
func (s *Store) Versions(ctx context.Context, key string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		if err := checkKey(key); err != nil {
			yield(Version{}, failure("versions", key, err))
			return
		}
		in := &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &key}
		for more := true; more; {
			out, err := s.versionsPage(ctx, in)
			if err != nil {
				yield(Version{}, failure("versions", key, err))
				return
			}
			var page []Version
			page, more = versionsOf(key, out)
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
		}
	}
}

func (s *Store) versionsPage(ctx context.Context, in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	ctx, release, err := s.work(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return call(ctx, s, 0, func(ctx context.Context) (*s3.ListObjectVersionsOutput, error) {
		out, err := s.client.ListObjectVersions(ctx, in, once)
		if err == nil && out.Name == nil {
			err = errHollow
		}
		return out, s3Error(ctx, err)
	})
}

// versionsOf picks the versions of key from a page, and says whether the next one may
// have more: keys come in order, and the prefix itself before those that it begins.
func versionsOf(key string, out *s3.ListObjectVersionsOutput) (page []Version, more bool) {
	more = aws.ToBool(out.IsTruncated) && out.NextKeyMarker != nil
	for _, v := range out.Versions {
		page = append(page, versionOfObject(v))
	}
	for _, d := range out.DeleteMarkers {
		page = append(page, Version{
			Key: aws.ToString(d.Key), ID: strings.Clone(aws.ToString(d.VersionId)), Modified: aws.ToTime(d.LastModified).UTC(),
			Latest: aws.ToBool(d.IsLatest), Deleted: true,
		})
	}
	n := len(page)
	page = slices.DeleteFunc(page, func(v Version) bool { return v.Key != key })
	// S3 lists objects and deletions apart; each list is in order. A second is S3's
	// finest grain: within it, only the latest is certain.
	slices.SortStableFunc(page, func(a, b Version) int {
		if a.Latest != b.Latest {
			return map[bool]int{true: -1, false: 1}[a.Latest]
		}
		return b.Modified.Compare(a.Modified)
	})
	return page, more && len(page) == n
}

func versionOfObject(v types.ObjectVersion) Version {
	return Version{
		Key: aws.ToString(v.Key), ID: strings.Clone(aws.ToString(v.VersionId)), ETag: strings.Clone(aws.ToString(v.ETag)),
		SealedSize: aws.ToInt64(v.Size), Modified: aws.ToTime(v.LastModified).UTC(), Latest: aws.ToBool(v.IsLatest),
	}
}

// GetVersion returns one version of key, always from S3. Large ones are read with
// [Store.OpenWith]. Errors are those of [Store.Get].
func (s *Store) GetVersion(ctx context.Context, key, version string) (Object, error) {
	o, err := s.getVersion(ctx, key, version)
	return o, failure("get", key, err)
}

func (s *Store) getVersion(ctx context.Context, key, version string) (Object, error) {
	if version == "" {
		return Object{}, fmt.Errorf("%w: no version; see Versions", ErrInvalid)
	}
	if err := checkKey(key); err != nil {
		return Object{}, err
	}
	ctx, release, err := s.work(ctx)
	if err != nil {
		return Object{}, err
	}
	defer release()
	o, err := s.fetch(ctx, key, version, Object{})
	if err == nil {
		s.stats.fetched.Add(1)
	}
	return o, err
}
