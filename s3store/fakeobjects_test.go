package s3store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The methods here that touch objects need f.mu.

func (f *fakeS3) current(key string) (stored, bool) {
	all := f.objects[key]
	if len(all) == 0 || all[len(all)-1].deleted {
		return stored{}, false
	}
	return all[len(all)-1], true
}

func (f *fakeS3) store(key string, o stored) stored {
	f.count++
	sum := sha256.Sum256(o.body)
	o.etag = `"` + hex.EncodeToString(sum[:]) + `"`
	if o.multipart {
		o.etag = `"` + rand.Text() + `-2"`
	}
	o.id, o.modified, o.sum = "null", time.Now(), crc32c(o.body)
	if f.versioned {
		o.id = fmt.Sprintf("v%06d", f.count)
	} else {
		f.objects[key] = nil
	}
	f.objects[key] = append(f.objects[key], o)
	return o
}

func (f *fakeS3) find(key, version string) (stored, bool) {
	if version == "" {
		return f.current(key)
	}
	for _, o := range f.objects[key] {
		if o.id == version {
			return o, true
		}
	}
	return stored{}, false
}

// allowed answers a write whose condition does not hold.
func (f *fakeS3) allowed(w http.ResponseWriter, r *http.Request, key string) bool {
	o, ok := f.current(key)
	want := r.Header.Get("If-Match")
	switch {
	case r.Header.Get("If-None-Match") == "*" && ok, ok && want != "" && want != o.etag:
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case want != "" && !ok:
		fail(w, http.StatusNotFound, "NoSuchKey")
	default:
		return true
	}
	return false
}

func (f *fakeS3) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	if got := r.Header.Get("X-Amz-Checksum-Crc32c"); got != crc32c(body) {
		fail(w, http.StatusBadRequest, "BadDigest")
		return
	}
	f.mu.Lock()
	ok := f.allowed(w, r, key)
	var o stored
	if ok {
		o = f.store(key, stored{body: body})
	}
	f.mu.Unlock()
	if ok {
		f.effect(r)
		f.answered(w, r, o)
	}
}

// answered sets what S3 says of an object that it has.
func (f *fakeS3) answered(w http.ResponseWriter, r *http.Request, o stored) {
	w.Header().Set("ETag", o.etag)
	if f.versioned {
		w.Header().Set("X-Amz-Version-Id", o.id)
	}
	if sse := r.Header.Get("X-Amz-Server-Side-Encryption"); sse != "" {
		w.Header().Set("X-Amz-Server-Side-Encryption", sse)
	}
}

func (f *fakeS3) remove(w http.ResponseWriter, r *http.Request, key string) {
	f.mu.Lock()
	switch version := r.URL.Query().Get("versionId"); {
	case version != "":
		kept := []stored{}
		for _, o := range f.objects[key] {
			if o.id != version {
				kept = append(kept, o)
			}
		}
		f.objects[key] = kept
	case f.versioned:
		o := f.store(key, stored{deleted: true})
		w.Header().Set("X-Amz-Version-Id", o.id)
	default:
		delete(f.objects, key)
	}
	f.mu.Unlock()
	f.effect(r)
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeS3) get(w http.ResponseWriter, r *http.Request, key string) {
	version := r.URL.Query().Get("versionId")
	f.mu.Lock()
	o, ok := f.find(key, version)
	f.mu.Unlock()
	switch {
	case !ok && version != "":
		fail(w, http.StatusNotFound, "NoSuchVersion")
	case !ok:
		fail(w, http.StatusNotFound, "NoSuchKey")
	case o.deleted:
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	default:
		f.answered(w, &http.Request{}, o)
		if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && r.Header.Get("Range") == "" && !o.multipart {
			w.Header().Set("X-Amz-Checksum-Crc32c", o.sum)
			w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
		}
		http.ServeContent(w, r, "", o.modified, strings.NewReader(string(o.body)))
	}
}
