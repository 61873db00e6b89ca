package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// scheme turns data into something to store, and back. Both ways append to dst,
// which has room: what is measured is the work, not the growing of a buffer.
type scheme struct {
	name string
	seal func(dst, data []byte) ([]byte, error)
	open func(dst, sealed []byte) ([]byte, error)
}

// records is data to seal, all of one size, and room for what comes of one.
type records struct {
	data [][]byte
	room []byte
}

// newRecords cuts count records of size bytes from data, spread over it.
func newRecords(data []byte, size, count int) records {
	r := records{data: cut(data, size, count)}
	// Enough for whoever adds most: 16 bytes to each 4 KiB, a header of some
	// hundred, and zstd's bound on what does not compress.
	r.room = make([]byte, 0, size+size/100+8<<10)
	return r
}

func (r records) size() int { return len(r.data[0]) }

// sealing is the contender that seals all records once for each time.
func (s scheme) sealing(r records) contender {
	return pass(s.name, len(r.data), func(i int) error {
		_, err := s.seal(r.room, r.data[i])
		return err
	})
}

// opening is the contender that opens them. What it opens it has sealed itself and
// held against the data, so that no line measures a wrong thing.
func (s scheme) opening(r records) (contender, error) {
	sealed, err := s.proved(r)
	return pass(s.name, len(sealed), func(i int) error {
		_, err := s.open(r.room, sealed[i])
		return err
	}), err
}

// pass is the contender that does n records one behind the other, always all of
// them: they differ, and contenders that did different ones could not be compared.
func pass(name string, n int, do func(i int) error) contender {
	return contender{name: name, batch: n, do: func(times int) error {
		for i := range times * n {
			if err := do(i % n); err != nil {
				return err
			}
		}
		return nil
	}}
}

// proved seals every record and opens it again.
func (s scheme) proved(r records) ([][]byte, error) {
	var all [][]byte
	for _, data := range r.data {
		sealed, err := s.seal(r.room, data)
		if err != nil {
			return nil, fmt.Errorf("%s: sealing: %w", s.name, err)
		}
		sealed = bytes.Clone(sealed)
		opened, err := s.open(r.room, sealed)
		if err != nil {
			return nil, fmt.Errorf("%s: opening: %w", s.name, err)
		}
		if !bytes.Equal(opened, data) {
			return nil, fmt.Errorf("%s: what was opened is not what was sealed", s.name)
		}
		all = append(all, sealed)
	}
	return all, nil
}

// then is one scheme upon what another made: the least that both together cost.
func (s scheme) then(next scheme, size int) scheme {
	between := make([]byte, 0, size)
	return scheme{
		name: s.name + ", " + next.name,
		seal: func(dst, data []byte) ([]byte, error) {
			made, err := s.seal(between, data)
			if err != nil {
				return nil, err
			}
			return next.seal(dst, made)
		},
		open: func(dst, sealed []byte) ([]byte, error) {
			made, err := next.open(between, sealed)
			if err != nil {
				return nil, err
			}
			return s.open(dst, made)
		},
	}
}

// sliceWriter appends to a slice, as bytes.Buffer does, without its bookkeeping.
type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// writeAll seals data through a writer upon w.
func writeAll(w *sliceWriter, sealer io.WriteCloser, data []byte) ([]byte, error) {
	if _, err := sealer.Write(data); err != nil {
		return nil, err
	}
	err := sealer.Close()
	return w.b, err
}

// readInto appends all of r to dst, to the end of the stream, as io.ReadAll does,
// but in the room that dst has.
func readInto(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			return dst, errors.New("no room for what is read")
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}
