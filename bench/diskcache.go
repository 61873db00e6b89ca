package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
)

// cacheBench is the cache beside whoever else keeps data in memory or on a disk.
type cacheBench struct {
	*bench
	text, noise input
	keys        diskcache.KeyWrapper
	python      *python
	noPython    string // why there is none
}

func diskcacheSuite(b *bench) (err error) {
	dir := filepath.Join(b.dir, "cache's keys") // the other suite has a keyring as well
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	kr, err := (&bench{dir: dir}).newKeyring()
	if err != nil {
		return err
	}
	defer kr.Close()
	s := cacheBench{bench: b, keys: envelope.Wrapper{Keyring: kr, Binding: here}}
	if s.text, s.noise, err = extremes(b.data, corpusSize); err != nil {
		return err
	}
	if s.python, err = startDjango(b.dir); err != nil {
		s.noPython = "Django's cache is not measured: " + err.Error()
	}
	defer func() { err = errors.Join(err, s.python.close()) }()
	for _, part := range []func() error{s.memoryHits, s.pageCacheHits, s.puts, s.manyEntries, s.hitRatios} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// open opens a cache of ours in a folder of that name.
func (s cacheBench) open(name string, o diskcache.Options) (*diskcache.Cache, error) {
	o.Logger = slog.New(slog.DiscardHandler)
	return diskcache.Open(context.Background(), filepath.Join(s.dir, name), o)
}

func keyOf(i int) string { return fmt.Sprintf("patients/%08d/observations", i) }

func put(c *diskcache.Cache, key string, record []byte) error {
	return c.Put(key, diskcache.NewView(record), diskcache.Meta{Version: "1"}, c.Fence(key))
}

// round goes around through names in an order that is random, the same for everybody,
// and goes on where it was: were every turn to begin anew, short turns would ask for
// the same few records, and find them in the processor's cache. The names are copies
// that lie in that order: a request has just made its key, nobody waits for it.
type round struct {
	names []string
	at    int
}

func newRound(names []string) *round {
	r := &round{}
	for _, i := range rand.New(rand.NewPCG(1, uint64(len(names)))).Perm(len(names)) {
		r.names = append(r.names, strings.Clone(names[i]))
	}
	return r
}

func (r *round) next() string {
	name := r.names[r.at]
	if r.at++; r.at == len(r.names) {
		r.at = 0
	}
	return name
}
