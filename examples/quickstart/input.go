package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// input is one file of the data set.
type input struct {
	name string // slash-separated, below the data folder
	data []byte
}

func load(dir string) ([]input, error) {
	if dir == "" {
		return sample(), nil
	}
	if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("%w; 'go -C' changes the folder first, so give an absolute path", err)
	}
	var files []input
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, input{filepath.ToSlash(rel), data})
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no files", dir)
	}
	return files, err
}

// sample is a small data set that is the same in every run: FHIR-like text that
// compresses, and noise that does not, as of images.
func sample() []input {
	r := rand.NewChaCha8([32]byte{'h', 'i', 'p', 'a', 'a'})
	var files []input
	for i, n := range []int{1, 20, 400, 4000} {
		files = append(files, input{fmt.Sprintf("patients/%d/observations.json", i), observations(rand.New(r), n)})
	}
	for i, n := range []int{0, 1, 64 << 10, 1 << 20} {
		noise := make([]byte, n)
		r.Read(noise)
		files = append(files, input{fmt.Sprintf("scans/%d.dcm", i), noise})
	}
	return files
}

func observations(r *rand.Rand, n int) []byte {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","entry":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":{"resourceType":"Observation","id":"%016x","status":"final",`+
			`"code":{"text":"Systolic blood pressure"},"subject":{"reference":"Patient/%d"},`+
			`"valueQuantity":{"value":%d,"unit":"mmHg"}}}`, r.Uint64(), r.IntN(1000), 90+r.IntN(80))
	}
	b.WriteString("]}")
	return []byte(b.String())
}
