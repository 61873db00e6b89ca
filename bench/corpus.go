package main

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/s2"
)

// corpusSize is what the cache's suite cuts its records from, in bytes.
const corpusSize = 16 << 20

// incompressible is the share of its size below which no file may shrink that is to
// stand for data that does not compress.
const incompressible = 0.97

// extremes returns size bytes of the kind of data below dir that compresses best, and
// size bytes of those files that do not compress at all, which are images compressed
// before. Without a folder, or such files, it makes them.
func extremes(dir string, size int) (text, noise input, err error) {
	kinds, err := inputs(dir, size)
	if err != nil {
		return text, noise, err
	}
	text = kinds[0]
	for _, k := range kinds[1:] {
		if shrunk(k.data) < shrunk(text.data) {
			text = k
		}
	}
	if dir != "" {
		noise, err = filesThatStay(dir, size)
	}
	if len(noise.data) == 0 {
		noise = input{"random bytes", make([]byte, size)}
		r := rand.NewChaCha8([32]byte{1})
		_, _ = r.Read(noise.data)
	}
	return text, noise, err
}

// shrunk is the share of its size that data has when it is compressed.
func shrunk(data []byte) float64 {
	return float64(len(s2.Encode(nil, data))) / float64(len(data))
}

// filesThatStay are the files below dir that do not compress, one behind the other.
func filesThatStay(dir string, size int) (in input, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && len(b) > 0 && shrunk(b) > incompressible {
			in = input{filepath.Base(filepath.Dir(path)) + " that does not compress", append(in.data, b...)}
		}
		return err
	})
	if len(in.data) > 0 {
		in.data = bytes.Repeat(in.data, size/len(in.data)+1)[:size]
	}
	return in, err
}
