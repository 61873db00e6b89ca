package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// corpusSize is what a suite cuts its records from, in bytes.
const corpusSize = 16 << 20

// corpus returns the files below dir one behind the other, cut to or repeated up
// to corpusSize, or FHIR-like JSON without a folder.
func corpus(dir string) ([]byte, error) {
	all := bytes.NewBuffer(nil)
	if dir == "" {
		generate(all)
		return all.Bytes()[:corpusSize], nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || all.Len() >= corpusSize {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	if err == nil && all.Len() == 0 {
		err = fmt.Errorf("-data %s holds no data", dir)
	}
	for n := all.Len(); err == nil && all.Len() < corpusSize; {
		all.Write(all.Bytes()[:n])
	}
	return all.Bytes()[:min(all.Len(), corpusSize)], err
}

func generate(b *bytes.Buffer) {
	r := rand.New(rand.NewChaCha8([32]byte{1}))
	for b.Len() < corpusSize {
		fmt.Fprintf(b, `{"resource":{"resourceType":"Observation","id":"%016x","status":"final",`+
			`"code":{"coding":[{"system":"http://loinc.org","code":"%d-%d"}]},"subject":{"reference":"urn:uuid:%08x"},`+
			`"effectiveDateTime":"20%02d-%02d-%02dT%02d:%02d:00Z","valueQuantity":{"value":%.3f,"unit":"mmHg"}}},`,
			r.Uint64(), r.IntN(99999), r.IntN(10), r.Uint32(), r.IntN(30), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.Float64()*200)
	}
}

// slices cuts count records of that size from the corpus, spread over it.
func (b *bench) slices(size, count int) [][]byte {
	records := make([][]byte, count)
	for i := range records {
		at := (len(b.corpus) - size) / count * i
		records[i] = b.corpus[at : at+size]
	}
	return records
}
