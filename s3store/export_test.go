package s3store

import "testing"

// NewFakeBucket gives tests outside of the package the fake that those inside have.
func NewFakeBucket(t testing.TB, versioned bool) (S3, string) {
	f := newFakeS3(t)
	f.versioned = versioned
	return f.client(), "bucket"
}
