package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"

	"github.com/hipaakit/hipaakit/s3store"
)

// sdkManager sends the plain bytes in parts, several at once, as we do. To compare
// with: from versitygw's point of view one PUT is less work, as it copies the parts
// together at the end; S3 does not, and takes one PUT at the speed of one connection.
const sdkManager = "SDK's transfer manager, plain"

// transfers move a large object up and down, from and to memory.
func (s *storeBench) transfers() error {
	for _, c := range []struct {
		input
		goal goal
	}{
		{s.text, goal{peer: sdkPlain, factor: 1}},
		{s.raw, goal{peer: sdkManager, factor: 1 / 0.85}},
	} {
		key := "large/" + c.name
		if err := s.upload(c.input, key, c.goal); err != nil {
			return err
		}
		if err := s.download(c.input, key); err != nil {
			return err
		}
	}
	return nil
}

// upload is ours with the goal, and without a cache, which the peers have not; and
// ours as it is meant to be used, when the data are on the local disk as well.
func (s *storeBench) upload(in input, key string, g goal) error {
	putting := func(name string, store *s3store.Store, g goal) entrant {
		return entrant{fmt.Sprintf("%s, %s%s", in.name, quantitySize(len(in.data)), name), g, s.everyCore(each("s3store", func() error {
			_, err := store.Put(context.Background(), key, bytes.NewReader(in.data), s3store.PutOptions{})
			return err
		}))}
	}
	room := make([]byte, 0, len(in.data)+64<<10)
	peers := []contender{
		each(sdkPlain, func() error { return s.put(key+".plain", in.data) }),
		each(sdkManager, func() error {
			_, err := s.manager.UploadObject(context.Background(), &transfermanager.UploadObjectInput{
				Bucket: aws.String(benchBucket), Key: aws.String(key + ".plain"), Body: bytes.NewReader(in.data),
			})
			return err
		}),
		each("SDK and ReadAll+GCM", func() error {
			sealed, err := s.readAll.seal(room[:0], in.data)
			if err != nil {
				return err
			}
			return s.put(key+".readall", sealed)
		}),
	}
	if s.python != nil {
		if err := s.python.prepare(key+".python", in.data); err != nil {
			return err
		}
		peers = append(peers, s.python.putting())
	}
	for i := range peers {
		peers[i] = s.everyCore(peers[i])
	}
	ours := []entrant{putting("", s.bare, g), putting(", cached as well", s.store, goal{})}
	return s.play(match{table: "s3store: upload", bytes: len(in.data), ours: ours, peers: peers})
}

// download streams the object out of S3, without a cache.
func (s *storeBench) download(in input, key string) error {
	check := &same{want: in.data}
	read := func(w io.Writer) error {
		file, err := s.bare.Open(context.Background(), key)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, file)
		return errors.Join(err, file.Close())
	}
	if err := read(check); err != nil || check.at != len(in.data) {
		return errors.Join(errors.New("what was read is not what was stored"), err)
	}
	peers, err := s.prepared(key, in.data)
	if err != nil {
		return err
	}
	ours := each("s3store", func() error {
		return read(io.Discard)
	})
	return s.match("s3store: download", in.name+", "+quantitySize(len(in.data)), len(in.data), goal{}, ours, peers...)
}

// same is a writer that compares.
type same struct {
	want []byte
	at   int
}

func (s *same) Write(p []byte) (int, error) {
	if s.at+len(p) > len(s.want) || !bytes.Equal(p, s.want[s.at:s.at+len(p)]) {
		return 0, errors.New("other data")
	}
	s.at += len(p)
	return len(p), nil
}
