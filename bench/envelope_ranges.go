package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"

	"github.com/hipaakit/hipaakit/envelope"
)

const (
	rangeSize  = 64 << 10
	rangeCount = 64
)

// ranged is an envelope that is read by ranges.
type ranged struct {
	name    string
	kr      envelope.Keyring
	sealed  *counted
	size    int64
	reader  *envelope.ReaderAt
	offsets []int64
	buf     []byte
}

// counted counts the bytes that are asked of it: those that a bucket would send.
type counted struct {
	io.ReaderAt
	bytes int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.bytes += n
	return n, err
}

func (s envelopeBench) newRanged(seal scheme) (*ranged, error) {
	data := s.kinds[0].data[:s.large]
	sealed, err := seal.seal(nil, data)
	if err != nil {
		return nil, err
	}
	r := &ranged{
		name: seal.name, kr: s.kr, sealed: &counted{ReaderAt: bytes.NewReader(sealed)}, size: int64(len(sealed)),
		buf: make([]byte, min(rangeSize, s.large)),
	}
	at := rand.New(rand.NewChaCha8([32]byte{2}))
	for range rangeCount {
		r.offsets = append(r.offsets, at.Int64N(int64(s.large-len(r.buf))+1))
	}
	if err := r.reopen(); err != nil {
		return nil, err
	}
	return r, r.prove(data)
}

// reopen reads and verifies what precedes a first range.
func (r *ranged) reopen() (err error) {
	r.reader, err = envelope.NewReaderAt(context.Background(), r.sealed, r.size, r.kr, here)
	return err
}

// read reads the range at offset i.
func (r *ranged) read(i int) error {
	_, err := r.reader.ReadAt(r.buf, r.offsets[i])
	return err
}

func (r *ranged) prove(data []byte) error {
	for i, at := range r.offsets {
		if err := r.read(i); err != nil {
			return err
		}
		if !bytes.Equal(r.buf, data[at:at+int64(len(r.buf))]) {
			return errors.New("a range is not what was sealed")
		}
	}
	return nil
}

// fetched is how many bytes do reads, for each range on average.
func (r *ranged) fetched(do func(i int) error) (float64, error) {
	r.sealed.bytes = 0
	for i := range r.offsets {
		if err := do(i); err != nil {
			return 0, err
		}
	}
	return float64(r.sealed.bytes) / rangeCount, nil
}

// first is a range of an envelope of which nothing is known yet.
func (r *ranged) first(i int) error {
	if err := r.reopen(); err != nil {
		return err
	}
	return r.read(i)
}

// ranges measures reads of ranges at random, in time and in bytes.
func (s envelopeBench) ranges(title, name string, o envelope.Options) error {
	var all []*ranged
	for _, seal := range append([]scheme{oneShot(s.kr, o)}, s.others(o)...) {
		r, err := s.newRanged(seal)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	for _, c := range []struct {
		name string
		do   func(*ranged) func(i int) error
	}{
		{name + ", opened before", func(r *ranged) func(int) error { return r.read }},
		{name + ", with opening", func(r *ranged) func(int) error { return r.first }},
	} {
		if err := s.rangedMatch(title, c.name, all, c.do); err != nil {
			return err
		}
		if err := s.rangedBytes(title, c.name, all, c.do); err != nil {
			return err
		}
	}
	return nil
}

func (s envelopeBench) rangedMatch(title, name string, all []*ranged, do func(*ranged) func(int) error) error {
	m := match{table: title, bytes: len(all[0].buf)}
	for i, r := range all {
		if c := pass(r.name, rangeCount, do(r)); i == 0 {
			m.ours = []entrant{{name + ": time", goal{}, c}}
		} else {
			m.peers = append(m.peers, c)
		}
	}
	return s.play(m)
}

func (s envelopeBench) rangedBytes(title, name string, all []*ranged, do func(*ranged) func(int) error) error {
	line := result{Table: title, Case: name + ": bytes", Unit: fetched, Peers: map[string]float64{}}
	for i, r := range all {
		n, err := r.fetched(do(r))
		if err != nil {
			return err
		}
		if i == 0 {
			line.Ours = n
			continue
		}
		line.Peers[r.name] = n
		line.order = append(line.order, r.name)
	}
	s.add(line, goal{})
	return nil
}
