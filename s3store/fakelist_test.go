package s3store

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"
)

const fakePage = 3

func (f *fakeS3) list(w http.ResponseWriter, r *http.Request) {
	type item struct {
		Key, ETag, LastModified string
		Size                    int
	}
	out := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		Name                  string
		Contents              []item
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
	}{Name: "bucket"}
	q := r.URL.Query()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys(q.Get("prefix"), q.Get("continuation-token")) {
		if o, ok := f.current(k); ok {
			if len(out.Contents) == fakePage {
				out.IsTruncated, out.NextContinuationToken = true, out.Contents[fakePage-1].Key
				break
			}
			out.Contents = append(out.Contents, item{k, o.etag, o.modified.UTC().Format(time.RFC3339), len(o.body)})
		}
	}
	xml.NewEncoder(w).Encode(out)
}

// keys are those with prefix and after the given one, in order. f.mu is held.
func (f *fakeS3) keys(prefix, after string) (keys []string) {
	for k := range f.objects {
		if strings.HasPrefix(k, prefix) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (f *fakeS3) listVersions(w http.ResponseWriter, r *http.Request) {
	type item struct {
		Key, VersionId, ETag, LastModified string
		IsLatest                           bool
		Size                               int
	}
	out := struct {
		XMLName             xml.Name `xml:"ListVersionsResult"`
		Name                string
		Version             []item
		DeleteMarker        []item
		IsTruncated         bool
		NextKeyMarker       string `xml:",omitempty"`
		NextVersionIdMarker string `xml:",omitempty"`
	}{Name: "bucket"}
	q := r.URL.Query()
	f.mu.Lock()
	defer f.mu.Unlock()
	n, behind := 0, q.Get("key-marker") == ""
	for _, k := range f.keys(q.Get("prefix"), "") {
		for i, o := range slices.Backward(f.objects[k]) {
			it := item{k, o.id, o.etag, o.modified.UTC().Format(time.RFC3339), i == len(f.objects[k])-1, len(o.body)}
			if !behind {
				behind = k == q.Get("key-marker") && o.id == q.Get("version-id-marker")
				continue
			}
			if n++; n > fakePage {
				out.IsTruncated = true
				break
			}
			out.NextKeyMarker, out.NextVersionIdMarker = k, o.id
			if o.deleted {
				out.DeleteMarker = append(out.DeleteMarker, it)
			} else {
				out.Version = append(out.Version, it)
			}
		}
	}
	xml.NewEncoder(w).Encode(out)
}
