package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/s3store"
)

// misses read what is in S3, and insert it into the cache.
func (s *storeBench) misses() error {
	for _, in := range []input{s.text, s.raw} {
		for _, size := range []int{4 << 10, 64 << 10, 1 << 20, min(16<<20, s.largest())} {
			if err := s.miss(in.name, fmt.Sprintf("miss/%s/%d", in.name, size), in.data[:size]); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	sdkPlain  = "SDK, plain"
	sdkSealed = "SDK, the sealed bytes"
)

func (s *storeBench) miss(kind, key string, data []byte) error {
	ctx := context.Background()
	// Many, so that emptying the cache, which is no part of a miss, weighs little.
	keys := make([]string, min(256, max(4, (64<<20)/len(data))))
	for i := range keys {
		keys[i] = fmt.Sprintf("%s/%d", key, i)
		if _, err := s.store.Put(ctx, keys[i], bytes.NewReader(data), s3store.PutOptions{}); err != nil {
			return err
		}
	}
	peers, err := s.prepared(key, data)
	if err != nil {
		return err
	}
	at := len(keys) - 1
	ours := each("s3store", func() error {
		if at++; at == len(keys) {
			at = 0
			s.cache.DropAll()
		}
		o, err := s.store.Get(ctx, keys[at])
		if err == nil && o.Data.Len() != len(data) {
			err = errors.New("wrong length")
		}
		return err
	})
	bare := each(sdkSealed, func() error { _, err := s.get(keys[0], nil); return err })
	name := kind + ", " + quantitySize(len(data))
	before, had := len(s.results), s.store.Stats()
	if err := s.match("s3store: miss", name, len(data), goal{peer: sdkPlain, factor: 1.1}, ours, append(peers, bare)...); err != nil {
		return err
	}
	if now := s.store.Stats(); now.Hits != had.Hits || now.Fetched == had.Fetched {
		return fmt.Errorf("these are no misses: %+v, before %+v", now, had)
	}
	line := s.results[before]
	over := max(1, line.Ours-line.Peers[sdkPlain])
	s.add(result{Table: "s3store: miss, what it takes over a bare GetObject", Case: name, Unit: nanoseconds,
		Ours: over, Peers: map[string]float64{sdkPlain: line.Peers[sdkPlain]}, order: []string{sdkPlain}}, goal{most: float64(time.Millisecond)})
	return nil
}

// prepared are the peers that read data, each what it has stored itself.
func (s *storeBench) prepared(key string, data []byte) (peers []contender, err error) {
	sealed, err := s.readAll.seal(make([]byte, 0, len(data)+64<<10), data)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.put(key+".plain", data), s.put(key+".readall", sealed)); err != nil {
		return nil, err
	}
	room, plain := make([]byte, 0, len(data)+64<<10), make([]byte, 0, len(data)+64<<10)
	peers = []contender{
		each(sdkPlain, func() error { _, err := s.get(key+".plain", room); return err }),
		each("SDK and ReadAll+GCM", func() error {
			b, err := s.get(key+".readall", room)
			if err != nil {
				return err
			}
			got, err := s.readAll.open(plain[:0], b)
			if err == nil && len(got) != len(data) {
				err = errors.New("wrong length")
			}
			return err
		}),
	}
	if s.python == nil {
		return peers, nil
	}
	if err := s.python.prepare(key+".python", data); err != nil {
		return nil, err
	}
	return append(peers, s.python.getting()), nil
}

func (s *storeBench) put(key string, data []byte) error {
	_, err := s.client.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(benchBucket), Key: &key, Body: bytes.NewReader(data), ServerSideEncryption: "AES256",
	})
	return err
}

// get reads an object into room, or into memory of its own.
func (s *storeBench) get(key string, room []byte) ([]byte, error) {
	out, err := s.client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String(benchBucket), Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	buf := bytes.NewBuffer(room[:0])
	if room == nil {
		buf.Grow(int(*out.ContentLength) + bytes.MinRead)
	}
	_, err = io.Copy(buf, out.Body)
	return buf.Bytes(), err
}

// crowd has a hundred callers miss on one key at once, and counts what S3 is asked.
func (s *storeBench) crowd() error {
	const callers = 100
	ctx, key := context.Background(), "crowd"
	if _, err := s.store.Put(ctx, key, bytes.NewReader(s.text.data[:min(1<<20, s.largest())]), s3store.PutOptions{}); err != nil {
		return err
	}
	s.cache.Drop(key)
	before := s.server.gets.Load()
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { _, errs[i] = s.store.Get(ctx, key) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.add(result{Table: "s3store: 100 callers miss on one key", Case: "requests to S3", Unit: requests,
		Ours: float64(s.server.gets.Load() - before), Peers: map[string]float64{"each for himself": callers},
		order: []string{"each for himself"}}, goal{most: 1})
	return nil
}

// requests is the unit of what S3 charges for.
const requests = "requests"
