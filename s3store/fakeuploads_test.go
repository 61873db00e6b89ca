package s3store

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type fakeUpload struct {
	key     string
	parts   map[int][]byte
	started time.Time
}

func (f *fakeS3) multipart(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	f.mu.Lock()
	defer f.mu.Unlock()
	up := f.uploads[id]
	if id != "" && (up == nil || up.key != key) {
		fail(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	switch r.Method {
	case http.MethodPut:
		f.putPart(w, r, up, body)
	case http.MethodDelete:
		delete(f.uploads, id)
		f.effect(r)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		if id != "" {
			f.completeUpload(w, r, id, up, body)
			return
		}
		f.count++
		id := fmt.Sprintf("upload%06d", f.count)
		f.uploads[id] = &fakeUpload{key, map[int][]byte{}, time.Now()}
		f.effect(r)
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	}
}

func (f *fakeS3) putPart(w http.ResponseWriter, r *http.Request, up *fakeUpload, body []byte) {
	n, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
	copied := r.Header.Get("X-Amz-Copy-Source") != ""
	if copied {
		var ok bool
		if body, ok = f.copySource(w, r); !ok {
			return
		}
	} else if r.Header.Get("X-Amz-Checksum-Crc32c") != crc32c(body) {
		fail(w, http.StatusBadRequest, "BadDigest")
		return
	}
	up.parts[n] = body
	f.effect(r)
	w.Header().Set("ETag", fmt.Sprintf(`"part%d"`, n))
	if copied {
		fmt.Fprintf(w, `<CopyPartResult><ETag>"part%d"</ETag></CopyPartResult>`, n)
	}
}

func (f *fakeS3) copySource(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	path, version, _ := strings.Cut(r.Header.Get("X-Amz-Copy-Source"), "?versionId=")
	path, _ = url.PathUnescape(path)
	o, ok := f.find(strings.TrimPrefix(path, "bucket/"), version)
	if !ok {
		fail(w, http.StatusNotFound, "NoSuchKey")
		return nil, false
	}
	if want := r.Header.Get("X-Amz-Copy-Source-If-Match"); want != "" && want != o.etag {
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return nil, false
	}
	var from, to int
	if _, err := fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &from, &to); err != nil || to >= len(o.body) {
		fail(w, http.StatusBadRequest, "InvalidArgument")
		return nil, false
	}
	return o.body[from : to+1], true
}

func (f *fakeS3) completeUpload(w http.ResponseWriter, r *http.Request, id string, up *fakeUpload, body []byte) {
	var in struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if xml.Unmarshal(body, &in) != nil || len(in.Part) != len(up.parts) || len(in.Part) == 0 {
		fail(w, http.StatusBadRequest, "InvalidPart")
		return
	}
	var all []byte
	for i, p := range in.Part {
		if p.PartNumber != i+1 || p.ETag != fmt.Sprintf(`"part%d"`, i+1) {
			fail(w, http.StatusBadRequest, "InvalidPart")
			return
		}
		all = append(all, up.parts[p.PartNumber]...)
	}
	if !f.allowed(w, r, up.key) {
		return
	}
	delete(f.uploads, id)
	o := f.store(up.key, stored{body: all, multipart: true})
	f.effect(r)
	f.answered(w, r, o)
	fmt.Fprintf(w, "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", strings.ReplaceAll(o.etag, `"`, "&#34;"))
}

func (f *fakeS3) listUploads(w http.ResponseWriter, r *http.Request) {
	type item struct{ Key, UploadId, Initiated string }
	out := struct {
		XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
		Bucket             string
		Upload             []item
		IsTruncated        bool
		NextKeyMarker      string `xml:",omitempty"`
		NextUploadIdMarker string `xml:",omitempty"`
	}{Bucket: "bucket"}
	q := r.URL.Query()
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, up := range f.uploads {
		if strings.HasPrefix(up.key, q.Get("prefix")) && up.key+"/"+id > q.Get("key-marker")+"/"+q.Get("upload-id-marker") {
			out.Upload = append(out.Upload, item{up.key, id, up.started.UTC().Format(time.RFC3339)})
		}
	}
	slices.SortFunc(out.Upload, func(a, b item) int { return strings.Compare(a.Key+"/"+a.UploadId, b.Key+"/"+b.UploadId) })
	if len(out.Upload) > fakePage {
		out.Upload = out.Upload[:fakePage]
		last := out.Upload[fakePage-1]
		out.IsTruncated, out.NextKeyMarker, out.NextUploadIdMarker = true, last.Key, last.UploadId
	}
	xml.NewEncoder(w).Encode(out)
}
