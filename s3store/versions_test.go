package s3store

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestLatestVersionComesFirst: S3 lists objects and deletions apart, and tells the time
// in seconds.
func TestLatestVersionComesFirst(t *testing.T) {
	now := time.Now()
	object := types.ObjectVersion{Key: aws.String("k"), VersionId: aws.String("object"), LastModified: &now}
	deletion := types.DeleteMarkerEntry{Key: aws.String("k"), VersionId: aws.String("deletion"), LastModified: &now}
	for _, deleted := range []bool{false, true} {
		object.IsLatest, deletion.IsLatest = aws.Bool(!deleted), &deleted
		page, _ := versionsOf("k", &s3.ListObjectVersionsOutput{
			Versions: []types.ObjectVersion{object}, DeleteMarkers: []types.DeleteMarkerEntry{deletion}})
		if len(page) != 2 || !page[0].Latest || page[0].Deleted != deleted || page[1].Latest {
			t.Errorf("deleted %t: %+v", deleted, page)
		}
	}
}
