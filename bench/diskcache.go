package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hipaakit/hipaakit/diskcache"
)

var sizes = []struct {
	name         string
	bytes, count int
	diskFactor   float64 // the goal, in os.ReadFile's time
}{
	{"4 KiB", 4 << 10, 512, 1 / 2.5},
	{"64 KiB", 64 << 10, 128, 1 / 1.3},
	{"1 MiB", 1 << 20, 12, 1},
}

func diskcacheSuite(b *bench) error {
	return errors.Join(b.ramHit(), b.diskHits(), b.put())
}

func (b *bench) openCache(name string, memory int64) (*diskcache.Cache, error) {
	return diskcache.Open(context.Background(), filepath.Join(b.dir, name), diskcache.Options{
		MaxBytes: 1 << 30, MemoryBytes: memory, Logger: slog.New(slog.DiscardHandler),
	})
}

func keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("patients/%06d/observations", i)
	}
	return keys
}

func fill(c *diskcache.Cache, keys []string, records [][]byte) error {
	for i, k := range keys {
		if err := c.Put(k, diskcache.NewView(records[i]), diskcache.Meta{Version: "1"}, c.Fence(k)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) ramHit() error {
	const n = 1024
	c, err := b.openCache("ram", 0)
	if err != nil {
		return err
	}
	defer c.Close()
	keys, records := keys(n), b.slices(4<<10, n)
	if err := fill(c, keys, records); err != nil {
		return err
	}
	peer, err := lru.New[string, []byte](n)
	if err != nil {
		return err
	}
	for i, k := range keys {
		peer.Add(k, records[i])
	}
	return b.compare("diskcache", "RAM hit 4 KiB", goal{peer: "golang-lru", factor: 1.5, most: 150},
		contender{name: "diskcache", do: func(times int) error { return getAll(c, keys, times) }},
		contender{name: "golang-lru", do: func(times int) error {
			for i := range times {
				if _, ok := peer.Get(keys[i%n]); !ok {
					return errors.New("golang-lru: a miss")
				}
			}
			return nil
		}})
}

func getAll(c *diskcache.Cache, keys []string, times int) error {
	for i := range times {
		if _, err := c.Get(keys[i%len(keys)]); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) diskHits() error {
	for _, s := range sizes {
		if err := b.diskHit(s.name, s.diskFactor, keys(s.count), b.slices(s.bytes, s.count)); err != nil {
			return err
		}
	}
	return nil
}

// diskHit reads what the page cache holds, ours without its memory tier.
func (b *bench) diskHit(size string, factor float64, keys []string, records [][]byte) error {
	c, err := b.openCache("disk "+size, -1)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := fill(c, keys, records); err != nil {
		return err
	}
	plain, err := writeFiles(filepath.Join(b.dir, "plain "+size), records)
	if err != nil {
		return err
	}
	return b.compare("diskcache", "disk hit "+size, goal{peer: "os.ReadFile", factor: factor},
		contender{name: "diskcache", do: func(times int) error { return getAll(c, keys, times) }},
		contender{name: "os.ReadFile", do: func(times int) error {
			for i := range times {
				if _, err := os.ReadFile(plain[i%len(plain)]); err != nil {
					return err
				}
			}
			return nil
		}})
}

func writeFiles(dir string, records [][]byte) ([]string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(names[i], r, 0o600); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// put stores records; the peer is what a cache of plain files does, under fresh
// names, since renaming over an existing file costs several times as much.
func (b *bench) put() error {
	const n = 1024
	c, err := b.openCache("put", -1)
	if err != nil {
		return err
	}
	defer c.Close()
	keys, records, dir := keys(n), b.slices(4<<10, n), filepath.Join(b.dir, "plain put")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	next := 0
	return b.compare("diskcache", "put 4 KiB", goal{peer: "create+rename", factor: 1, most: 10_000},
		contender{name: "diskcache", do: func(times int) error {
			for i := range times {
				k := keys[i%n]
				if err := c.Put(k, diskcache.NewView(records[i%n]), diskcache.Meta{Version: "1"}, c.Fence(k)); err != nil {
					return err
				}
			}
			return nil
		}},
		contender{name: "create+rename", do: func(times int) error {
			for i := range times {
				next++
				tmp := filepath.Join(dir, "tmp")
				if err := os.WriteFile(tmp, records[i%n], 0o600); err != nil {
					return err
				}
				if err := os.Rename(tmp, filepath.Join(dir, fmt.Sprint(next))); err != nil {
					return err
				}
			}
			return nil
		}})
}
