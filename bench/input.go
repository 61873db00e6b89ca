package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// input is one kind of data.
type input struct {
	name string
	data []byte
}

// inputs returns size bytes of each kind of data below dir: of each of its folders,
// under the folder's name, or of dir itself if it has none. Without a dir it is text
// and images made here.
func inputs(dir string, size int) ([]input, error) {
	if dir == "" {
		return []input{
			{"FHIR-like JSON", fillUp(nil, size, observation)},
			{"image-like samples", fillUp(nil, size, scanLine)},
		}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []input
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		data, err := filesBelow(filepath.Join(dir, e.Name()), size)
		if err != nil {
			return nil, err
		}
		all = append(all, input{e.Name(), data})
	}
	if len(all) > 0 {
		return all, nil
	}
	data, err := filesBelow(dir, size)
	return []input{{filepath.Base(dir), data}}, err
}

// filesBelow returns the files below dir one behind the other, cut to or repeated
// up to size.
func filesBelow(dir string, size int) ([]byte, error) {
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || len(all) >= size {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("-data: %s holds no data", dir)
	}
	return bytes.Repeat(all, size/len(all)+1)[:size], nil
}

// fillUp appends what next makes until there are size bytes.
func fillUp(b []byte, size int, next func([]byte, *rand.Rand) []byte) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{1}))
	for len(b) < size {
		b = next(b, r)
	}
	return b[:size]
}

func observation(b []byte, r *rand.Rand) []byte {
	return fmt.Appendf(b, `{"resource":{"resourceType":"Observation","id":"%016x","status":"final",`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"%d-%d"}]},"subject":{"reference":"urn:uuid:%08x"},`+
		`"effectiveDateTime":"20%02d-%02d-%02dT%02d:%02d:00Z","valueQuantity":{"value":%.3f,"unit":"mmHg"}}},`,
		r.Uint64(), r.IntN(99999), r.IntN(10), r.Uint32(), r.IntN(30), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.Float64()*200)
}

// scanLine is a line of 512 samples of 12 bits in 16, as an uncompressed image has
// them: brightness that drifts, under noise. It hardly compresses.
func scanLine(b []byte, r *rand.Rand) []byte {
	level := 500 + r.IntN(2000)
	for range 512 {
		level = min(4000, max(0, level+r.IntN(41)-20))
		b = binary.LittleEndian.AppendUint16(b, uint16(level+r.IntN(64)))
	}
	return b
}

// cut cuts count records of size bytes from data, spread over it.
func cut(data []byte, size, count int) [][]byte {
	records := make([][]byte, count)
	for i := range records {
		at := (len(data) - size) / count * i
		records[i] = data[at : at+size]
	}
	return records
}
