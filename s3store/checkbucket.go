package s3store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// BucketClient is the part of an S3 client that [CheckBucket] calls. They are
// calls of an administrator: the application's own role needs none of them.
type BucketClient interface {
	GetBucketVersioning(context.Context, *s3.GetBucketVersioningInput, ...func(*s3.Options)) (*s3.GetBucketVersioningOutput, error)
	GetPublicAccessBlock(context.Context, *s3.GetPublicAccessBlockInput, ...func(*s3.Options)) (*s3.GetPublicAccessBlockOutput, error)
	GetBucketEncryption(context.Context, *s3.GetBucketEncryptionInput, ...func(*s3.Options)) (*s3.GetBucketEncryptionOutput, error)
	GetBucketPolicy(context.Context, *s3.GetBucketPolicyInput, ...func(*s3.Options)) (*s3.GetBucketPolicyOutput, error)
	GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error)
}

// Finding is the answer to one question about a bucket.
type Finding struct {
	OK     bool
	Detail string // what was found, or what is missing and how to mend it
	Err    error  // the question could not be answered
}

// BucketReport is what [CheckBucket] found.
type BucketReport struct {
	Versioning        Finding // an overwritten object can be restored
	PublicAccessBlock Finding // nobody can make the bucket public by mistake
	Encryption        Finding // the second layer is on for whatever does not ask for it
	TLSOnly           Finding // S3 refuses requests over plain HTTP
	AbortsUploads     Finding // a lifecycle rule removes what crashes leave behind
	ExpiresVersions   Finding // a lifecycle rule removes old versions, and so old keys
}

// Each calls f for every finding, under its name.
func (r BucketReport) Each(f func(name string, found Finding)) {
	f("versioning", r.Versioning)
	f("public access block", r.PublicAccessBlock)
	f("default encryption", r.Encryption)
	f("TLS-only policy", r.TLSOnly)
	f("lifecycle: unfinished uploads", r.AbortsUploads)
	f("lifecycle: old versions", r.ExpiresVersions)
}

// OK says that every question has a good answer.
func (r BucketReport) OK() bool {
	ok := true
	r.Each(func(_ string, f Finding) { ok = ok && f.OK })
	return ok
}

// CheckBucket reports how a bucket is set up. It changes nothing. The error joins
// those of the questions that could not be answered, as for want of a permission
// ([ErrDenied]); the report holds the others.
func CheckBucket(ctx context.Context, client BucketClient, bucket string) (BucketReport, error) {
	var r BucketReport
	r.Versioning = checkVersioning(ctx, client, bucket)
	r.PublicAccessBlock = checkPublicAccess(ctx, client, bucket)
	r.Encryption = checkEncryption(ctx, client, bucket)
	r.TLSOnly = checkPolicy(ctx, client, bucket)
	r.AbortsUploads, r.ExpiresVersions = checkLifecycle(ctx, client, bucket)
	var errs []error
	r.Each(func(name string, f Finding) {
		if f.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, f.Err))
		}
	})
	return r, failure("check bucket", "", errors.Join(errs...))
}

// found is good or bad, unless S3 could not be asked; absent is S3's code for a
// setting that nobody made.
func found(ctx context.Context, err error, absent string, ok bool, good, bad string) Finding {
	switch {
	case absent != "" && isCode(err, absent):
		return Finding{Detail: bad}
	case err != nil:
		return Finding{Err: s3Error(ctx, err), Detail: "could not be asked"}
	case ok:
		return Finding{OK: true, Detail: good}
	}
	return Finding{Detail: bad}
}

func checkVersioning(ctx context.Context, c BucketClient, bucket string) Finding {
	out, err := c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket})
	return found(ctx, err, "", err == nil && out.Status == types.BucketVersioningStatusEnabled,
		"enabled", "not enabled: what is overwritten or deleted is gone")
}

func checkPublicAccess(ctx context.Context, c BucketClient, bucket string) Finding {
	out, err := c.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &bucket})
	ok := false
	if err == nil && out.PublicAccessBlockConfiguration != nil {
		b := out.PublicAccessBlockConfiguration
		ok = aws.ToBool(b.BlockPublicAcls) && aws.ToBool(b.BlockPublicPolicy) && aws.ToBool(b.IgnorePublicAcls) && aws.ToBool(b.RestrictPublicBuckets)
	}
	return found(ctx, err, "NoSuchPublicAccessBlockConfiguration", ok, "all four settings are on", "not all four settings are on")
}

func checkEncryption(ctx context.Context, c BucketClient, bucket string) Finding {
	out, err := c.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &bucket})
	algorithm := types.ServerSideEncryption("")
	if err == nil && out.ServerSideEncryptionConfiguration != nil {
		for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
			if rule.ApplyServerSideEncryptionByDefault != nil {
				algorithm = rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm
			}
		}
	}
	return found(ctx, err, "ServerSideEncryptionConfigurationNotFoundError", algorithm != "" && !suspicious(algorithm), string(algorithm), "no default encryption")
}

func checkPolicy(ctx context.Context, c BucketClient, bucket string) Finding {
	out, err := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket})
	ok := err == nil && deniesPlainHTTP(aws.ToString(out.Policy), bucket)
	return found(ctx, err, "NoSuchBucketPolicy", ok, "plain HTTP is denied",
		`no statement denies "s3:*" on the bucket and its objects to everybody while "aws:SecureTransport" is "false"`)
}

func checkLifecycle(ctx context.Context, c BucketClient, bucket string) (uploads, versions Finding) {
	out, err := c.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &bucket})
	var aborts, expires bool
	if err == nil {
		for _, rule := range out.Rules {
			if rule.Status != types.ExpirationStatusEnabled || !everything(rule) {
				continue
			}
			aborts = aborts || rule.AbortIncompleteMultipartUpload != nil
			expires = expires || rule.NoncurrentVersionExpiration != nil
		}
	}
	const absent = "NoSuchLifecycleConfiguration"
	return found(ctx, err, absent, aborts, "unfinished uploads are aborted", "no rule aborts unfinished uploads; see Store.CleanUploads"),
		found(ctx, err, absent, expires, "old versions expire", "no rule expires old versions")
}

// everything reports whether a rule is for all objects.
func everything(rule types.LifecycleRule) bool {
	f := rule.Filter
	if f == nil {
		//lint:ignore SA1019 rules made long ago say it so
		return aws.ToString(rule.Prefix) == ""
	}
	return aws.ToString(f.Prefix) == "" && f.Tag == nil && f.And == nil && f.ObjectSizeGreaterThan == nil && f.ObjectSizeLessThan == nil
}
