package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/s3store"
)

// s3storeSuite puts objects into a versitygw of its own, over TLS, and reads them
// back: ours, whoever calls the SDK, who does as the S3 Encryption Client, and who
// does it in Python. Everybody has all cores, and shares them with the server.
func s3storeSuite(b *bench) (err error) {
	server, err := startServer(filepath.Join(b.dir, "s3store's server"))
	if errors.Is(err, errNoServer) {
		b.say("s3store is not measured: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	s := &storeBench{bench: b, server: server, client: server.client()}
	s.manager = transfermanager.New(s.client)
	if err := s.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.python, err = startStorePython(b.dir, server); err != nil {
		b.say("boto3 is not measured: %v", err)
	}
	defer func() { err = errors.Join(err, s.python.close()) }()
	for _, part := range []func() error{s.memoryHits, s.diskHits, s.misses, s.crowd, s.transfers} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// storeBench is the store beside whoever else keeps objects in S3.
type storeBench struct {
	*bench
	server  *s3Server
	client  *s3.Client
	manager *transfermanager.Client
	python  *storePython // nil: not there

	keys      interface{ Close() error }
	cache     *diskcache.Cache
	onlyDisk  *diskcache.Cache // without a memory tier
	store     *s3store.Store
	fromDisk  *s3store.Store
	bare      *s3store.Store // without a cache
	readAll   scheme
	text, raw input
}

const benchBucket = "bench"

func (b *bench) say(format string, args ...any) {
	if b.progress != nil {
		fmt.Fprintf(b.progress, format+"\n", args...)
	}
}

// largest is the largest object that is moved: 64 MiB, but for a run of seconds.
func (b *bench) largest() int {
	if most := slices.Max(b.plain); most < 16<<20 {
		return most
	}
	return 64 << 20
}

func (s *storeBench) open() (err error) {
	dir := filepath.Join(s.dir, "s3store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	kr, err := (&bench{dir: dir}).newKeyring()
	if err != nil {
		return err
	}
	s.keys = kr
	if err := s.warm(kr); err != nil {
		return err
	}
	if s.readAll, err = newReadAll(dir); err != nil {
		return err
	}
	kinds, err := inputs(s.data, s.largest())
	if err != nil {
		return err
	}
	s.text = kinds[0]
	for _, k := range kinds {
		if strings.Contains(strings.ToLower(k.name), "fhir") {
			s.text = k
		}
	}
	s.raw = input{"random", make([]byte, s.largest())}
	rand.NewChaCha8(sha256.Sum256([]byte("s3store"))).Read(s.raw.data)
	quiet := slog.New(slog.DiscardHandler)
	if s.bare, err = s3store.New(s.client, benchBucket, "bench", kr, s3store.Options{Logger: quiet}); err != nil {
		return err
	}
	for _, c := range []struct {
		name   string
		memory int64
		cache  **diskcache.Cache
		store  **s3store.Store
	}{
		{"memory", 0, &s.cache, &s.store},
		{"disk", -1, &s.onlyDisk, &s.fromDisk},
	} {
		o := diskcache.Options{MaxBytes: 1 << 30, MemoryBytes: c.memory, Logger: quiet}
		if *c.cache, err = diskcache.Open(context.Background(), filepath.Join(dir, c.name), o); err != nil {
			return err
		}
		o2 := s3store.Options{Cache: *c.cache, Logger: quiet}
		if *c.store, err = s3store.New(s.client, benchBucket, "bench", kr, o2); err != nil {
			return err
		}
	}
	return nil
}

func (s *storeBench) close() error {
	var errs []error
	for _, c := range []interface{ Close() error }{s.bare, s.store, s.fromDisk, s.cache, s.onlyDisk, s.keys} {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// everyCore is c with all of the machine's cores, timed on the wall.
func (s *storeBench) everyCore(c contender) contender {
	c.cores, c.waits = s.cores, true
	return c
}

// match plays ours beside peers with all cores each.
func (s *storeBench) match(table, name string, bytes int, g goal, ours contender, peers ...contender) error {
	for i := range peers {
		peers[i] = s.everyCore(peers[i])
	}
	return s.play(match{table: table, bytes: bytes, ours: []entrant{{name, g, s.everyCore(ours)}}, peers: peers})
}

func each(name string, do func() error) contender {
	return contender{name: name, do: func(n int) error {
		for range n {
			if err := do(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}}
}
