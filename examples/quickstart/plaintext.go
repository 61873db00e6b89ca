package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
)

// needles are pieces of the input long and odd enough not to turn up by chance.
func needles(files []input) [][]byte {
	const size, each = 16, 8
	var all [][]byte
	for _, f := range files {
		for i := range each {
			at := len(f.data) * i / each
			if at+size <= len(f.data) && distinct(f.data[at:at+size]) >= 6 {
				all = append(all, f.data[at:at+size])
			}
		}
	}
	return all
}

func distinct(b []byte) int {
	seen := map[byte]bool{}
	for _, c := range b {
		seen[c] = true
	}
	return len(seen)
}

// search counts the needles found in what it is given.
type search struct {
	needles      [][]byte
	places, hits int
	bytes        int64
}

func (s *search) in(_ string, b []byte) {
	s.places++
	s.bytes += int64(len(b))
	for _, n := range s.needles {
		if bytes.Contains(b, n) {
			s.hits++
		}
	}
}

func (s *search) folder(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		s.in(path, append(b, path...))
		return err
	})
}

func (r *records) lookForPlaintext(ctx context.Context) error {
	r.heading("Somebody without the keys looks into the bucket and the cache folders")
	wanted := needles(r.files)
	control := search{needles: wanted}
	for _, f := range r.files {
		control.in(f.name, f.data)
	}
	r.check(len(wanted) > 0 && control.hits >= len(wanted), "%d pieces of the input to look for; in the input itself they are found", len(wanted))

	client, w := r.cluster.s3.connect()
	defer w.disconnect()
	s := search{needles: wanted}
	if err := dump(ctx, client, s.in); err != nil {
		return err
	}
	r.check(s.hits == 0 && s.places == len(r.files)-1, "bucket: %d objects, %s, %d pieces found", s.places, bytesText(s.bytes), s.hits)

	names := wanted // in the cache folders, the names are sealed as well
	for _, f := range r.files {
		if len(f.name) >= 10 { // shorter ones turn up by chance
			names = append(names, []byte(f.name))
		}
	}
	for _, n := range []*node{r.a, r.b} {
		s := search{needles: names}
		if err := s.folder(r.cluster.cacheDir(n.name)); err != nil {
			return err
		}
		r.check(s.hits == 0 && s.bytes > 0, "cache of %s: %d files, %s, %d pieces or names found", n.name, s.places, bytesText(s.bytes), s.hits)
	}
	return nil
}
